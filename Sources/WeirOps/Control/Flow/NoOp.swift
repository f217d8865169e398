public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Does nothing, once all that it depends on has run.
    static let noOp = OpDefinition("NoOp", "() -> ()").role(.noOp).noGradient().kernel(gpu: [:]) { _ in .sync { _ in } }

    /// The same, run even when what it depends on is dead.
    static let controlTrigger = OpDefinition("ControlTrigger", "() -> ()").role(.controlTrigger).noGradient().kernel(gpu: [:]) { _ in
        .sync { _ in }
    }

    /// Ends the step with an error. TensorFlow ends the process; a step of one client must not end everybody's.
    static let abort = OpDefinition("Abort", "() -> ()", "error_msg: string = ''", "exit_without_error: bool = false")
        .noGradient()
        .kernel { request in
            let message = try request.string("error_msg")
            return .sync { _ in throw Status.aborted("Abort_op intentional failure; \(message)") }
        }
}

extension GraphBuilder {
    /// An operation that does nothing, once the given ones have run.
    @discardableResult public func noOp(after operations: [Operation] = [], name: String? = nil) -> Operation {
        add("NoOp", name: name, controls: operations)
    }
}
