import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `RefSelect`: outputs the reference to one of several variables, by index.
    static let refSelect = OpDefinition(
        "RefSelect", "(index: int32, inputs: Ref(N * T)) -> (output: Ref(T))", "T: type", "N: int >= 1"
    )
    .noGradient()
    .kernel { _ in
        .sync { context in
            let index = context.input(0)
            guard index.rank == 0 else {
                throw Status.invalidArgument("Index must be a scalar, but it has shape \(index.shape)")
            }
            let chosen = Int(index.elements(Int32.self)[0])
            guard (0..<context.inputCount - 1).contains(chosen) else {
                throw Status.invalidArgument(
                    "Index must be in the range [0, \(context.inputCount - 1)) but got \(chosen)")
            }
            context.setOutput(0, reference: try context.reference(1 + chosen))
        }
    }
}
