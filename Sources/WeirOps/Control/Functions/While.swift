import Synchronization
import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `While`: calls `body` on its own results as long as `cond` returns true for them.
    static let `while` = loop("While").statefulWithKernelPerGraph()
    static let statelessWhile = loop("StatelessWhile")

    private static func loop(_ name: String) -> OpDefinition {
        OpDefinition(
            name, "(input: T) -> (output: T)", "T: list(type) >= 0", "cond: func", "body: func",
            "output_shapes: list(shape) = []", "parallel_iterations: int = 10"
        )
        .shape(outputShapesFromAttribute)
        .calling(.loop(condition: "cond", body: "body"))
        .gradient { g in try ControlFlow.loopGradient(g) }
        .kernel(gpu: [:]) { request in
            let condition = try NodeFunction(request, "cond"), body = try NodeFunction(request, "body")
            let types = request.outputTypes
            return .async { context, done in
                WhileExecution(condition, body, types, context.device, context.inputTensors, context.step, done).go()
            }
        }
    }
}

/// One execution of a While node.
private final class WhileExecution: @unchecked Sendable {  // only the thread that runs `go` uses its fields, one thread at a time
    private let condition: NodeFunction
    private let body: NodeFunction
    private let types: [PortType]
    private let device: any Device
    private let step: StepContext
    private let done: KernelCompletion
    @exclusivity(unchecked) private var values: [Tensor]
    @exclusivity(unchecked) private var isTesting = true

    init(
        _ condition: NodeFunction, _ body: NodeFunction, _ types: [PortType], _ device: any Device, _ values: [Tensor], _ step: StepContext,
        _ done: @escaping KernelCompletion
    ) {
        self.condition = condition
        self.body = body
        self.types = types
        self.device = device
        self.values = values
        self.step = step
        self.done = done
    }

    /// Continues the loop. If a call completes before it returns, this loop makes the next call, not the completion. So the
    /// stack does not grow with the number of iterations.
    func go() {
        while true {
            guard !step.cancellation.isCancelled else { return done(.failure(loopCancelled)) }
            let meeting = CallCompletionGate()
            call { result in
                if let result = meeting.completed(result) { self.resume(with: result) }
            }
            guard let result = meeting.returned() else { return }
            guard take(result) else { return }
        }
    }
    private func resume(with result: Result<[Tensor], Status>) {
        if take(result) { go() }
    }

    private func call(_ completion: @escaping Completion<[Tensor]>) {
        if isTesting {
            return condition.call(values, in: step) { [device] result in
                guard case .success(let results) = result, results.count == 1 else { return completion(result) }
                // The condition is read on the host.
                device.copyToHost(results[0]) { completion($0.map { [$0] }) }
            }
        }
        // The body gets the only references to the values, so that it may reuse their memory.
        let arguments = values
        values = []
        body.call(arguments, in: step, completion)
    }

    /// Takes the result of a call. Completes the node when the loop ends or the call failed.
    /// - Returns: whether the loop continues.
    private func take(_ result: Result<[Tensor], Status>) -> Bool {
        do throws(Status) {
            let results = try result.get()
            if isTesting {
                guard results.count == 1 else {
                    throw .invalidArgument(
                        "Expected a single scalar return value from WhileOp cond, got \(results.count) tensors.")
                }
                guard try results[0].boolValue() else {
                    done(.success(values.map { .value($0) }))
                    return false
                }
            } else {
                try check(results)
                values = results
            }
            isTesting.toggle()
            return true
        } catch {
            done(.failure(error))
            return false
        }
    }

    private func check(_ results: [Tensor]) throws(Status) {
        guard results.count == types.count else {
            throw .invalidArgument("While loop body returned \(results.count) arguments. Expected: \(types.count)")
        }
        for (index, (tensor, type)) in zip(results, types).enumerated() where tensor.dtype != type.dtype {
            throw .invalidArgument("Expected type \(type.dtype) for return value \(index) but got \(tensor.dtype).")
        }
    }
}

/// Decides whether a call first returned or first completed. The later of the two events gets the result.
private final class CallCompletionGate: Sendable {
    private enum State: Sendable {
        case open, returned
        case completed(Result<[Tensor], Status>)
    }
    private let state = Mutex(State.open)

    /// Records that the call is complete.
    /// - Returns: the result if the call has already returned, else nil.
    func completed(_ result: Result<[Tensor], Status>) -> Result<[Tensor], Status>? {
        state.withLock { state in
            if case .returned = state { return result }
            state = .completed(result)
            return nil
        }
    }
    /// Records that the call has returned.
    /// - Returns: the result if the call is already complete, else nil.
    func returned() -> Result<[Tensor], Status>? {
        state.withLock { state in
            if case .completed(let result) = state { return result }
            state = .returned
            return nil
        }
    }
}
