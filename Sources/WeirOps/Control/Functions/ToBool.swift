import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `ToBool`: converts a condition of any dtype to a bool scalar. See `Tensor.boolValue()`.
    static let toBool = OpDefinition("ToBool", "(input: T) -> (output: bool)", "T: type")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .kernel { _ in
            .sync { context in context.setOutput(0, Tensor(try context.input(0).boolValue())) }
        }
}
