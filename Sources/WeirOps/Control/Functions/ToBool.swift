import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// What a condition of any type comes to. TensorFlow's `ToBool`.
    static let toBool = OpDefinition("ToBool", "(input: T) -> (output: bool)", "T: type")
        .shape(ShapeFunctions.scalar)
        .noGradient()
        .kernel { _ in
            .sync { context in context.setOutput(0, Tensor(try context.input(0).truth())) }
        }
}
