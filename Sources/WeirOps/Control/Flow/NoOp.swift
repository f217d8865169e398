public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `NoOp`: does nothing. It orders other nodes through control edges.
    static let noOp = OpDefinition("NoOp", "() -> ()").role(.noOp).noGradient().kernel(gpu: [:]) { _ in .sync { _ in } }

    /// `ControlTrigger`: like `NoOp`, but it also runs when its control inputs are dead.
    static let controlTrigger = OpDefinition("ControlTrigger", "() -> ()").role(.controlTrigger).noGradient().kernel(gpu: [:]) { _ in
        .sync { _ in }
    }

    /// `Abort`: fails the step. TensorFlow's op ends the process, but here a step of one client must not end the steps of
    /// others.
    static let abort = OpDefinition("Abort", "() -> ()", "error_msg: string = ''", "exit_without_error: bool = false")
        .noGradient()
        .kernel { request in
            let message = try request.string("error_msg")
            return .sync { _ in throw Status.aborted("Abort_op intentional failure; \(message)") }
        }
}

extension GraphBuilder {
    /// Adds a node that does nothing and runs after `operations` (`NoOp`).
    @discardableResult public func noOp(after operations: [Operation] = [], name: String? = nil) -> Operation {
        add("NoOp", name: name, controls: operations)
    }
}
