public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Assert`: fails the step with `invalidArgument` when `condition` is false. The message shows the tensors of `data`.
    static let assert = OpDefinition(
        "Assert", "(condition: bool, data: T) -> ()", "T: list(type) >= 1", "summarize: int = 3"
    )
    .stateful()
    .noGradient()
    .kernel(gpu: [:], hostMemory: ["condition", "data"]) { request in
        let limit = try request.int("summarize")
        return .sync { context in
            let condition = context.input(0)
            guard condition.rank == 0 else {
                throw Status.invalidArgument("In[0] should be a scalar: \(condition.shape)")
            }
            guard !condition.elements(Bool.self)[0] else { return }
            let data = (1..<context.inputCount).map { "[\(context.input($0).summarizedValue(limit))]" }
            throw Status.invalidArgument("assertion failed: \(data.joined(separator: " "))")
        }
    }
}

extension GraphBuilder {
    /// Fails the step with `invalidArgument` when `condition`, a bool scalar, is false (`Assert`). The message shows
    /// `data`.
    /// - Parameter summarize: the number of elements of each tensor that the message shows.
    @discardableResult public func assert(
        _ condition: Output, data: [Output], summarize: Int = 3, name: String? = nil
    ) -> Operation {
        add("Assert", [condition] + data, name: name, attributes: ["summarize": .int(summarize)])
    }
}
