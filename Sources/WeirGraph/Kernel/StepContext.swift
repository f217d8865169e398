import Synchronization
public import WeirTensor

/// The state of a running step on this task, shared by all its kernels.
public final class StepContext: Sendable {
    /// The ID of the step. Function calls have the ID of their step.
    public let id: Int
    /// Passes tensors between the step's devices and tasks.
    public let rendezvous: any Rendezvous
    /// Is cancelled when the step fails, times out or is cancelled by the client.
    public let cancellation: Cancellation
    /// Resources that live as long as the step: tensor arrays, stacks, temporary variables.
    public let resources: ResourceTable
    /// The handle of the worker session, for kernels that keep state for each session; empty if there is none.
    public let sessionHandle: String
    /// Records the times of nodes; nil if the step is not traced.
    public let trace: (any StepTrace)?
    /// Runs the step's collective operations; nil if there is nothing that does.
    public let collectives: (any CollectiveExecutor)?
    /// `CollectiveExecutor.failureCount` when the step began.
    package let collectiveFailureCount: Int

    /// The step that contains this function call; nil for a step itself.
    private let whole: StepContext?
    /// The number of function calls around this one; 0 for a step itself.
    public let callDepth: Int
    private let liveCalls = Atomic<Int>(0)
    private let counter = Atomic<Int>(0)

    /// Limits on nested function calls and on concurrent function calls of one step. A function that calls itself without end
    /// would otherwise use all memory.
    private static let maximumCallDepth = 10_000
    private static let maximumLiveCalls = 100_000

    /// The context of a step.
    /// - Parameter resources: the resources of the step; a new table if nil.
    public init(
        id: Int, rendezvous: any Rendezvous, cancellation: Cancellation = Cancellation(), sessionHandle: String = "",
        trace: (any StepTrace)? = nil, collectives: (any CollectiveExecutor)? = nil, resources: ResourceTable? = nil
    ) {
        self.id = id
        self.rendezvous = rendezvous
        self.cancellation = cancellation
        self.sessionHandle = sessionHandle
        self.trace = trace
        self.collectives = collectives
        collectiveFailureCount = collectives?.failureCount ?? 0
        self.resources = resources ?? ResourceTable(defaultContainer: "step")
        whole = nil
        callDepth = 0
    }

    private init(callIn caller: StepContext, _ rendezvous: any Rendezvous) {
        id = caller.id
        self.rendezvous = rendezvous
        cancellation = Cancellation()
        sessionHandle = caller.sessionHandle
        trace = caller.trace
        collectives = caller.collectives
        collectiveFailureCount = caller.collectiveFailureCount
        resources = caller.resources
        whole = caller.whole ?? caller
        callDepth = caller.callDepth + 1
    }

    /// Begins a function call: a step within this step. It has its own rendezvous, so that the tensors of two calls of one
    /// function are kept apart, and its own cancellation, which the caller must connect to this step's. The caller must call
    /// `endCall` on the result.
    /// - Throws: `cancelled` when the step is cancelled; `resourceExhausted` when calls are nested too deeply or too many calls
    ///   are running.
    public func beginCall(of function: String, _ rendezvous: any Rendezvous) throws(Status) -> StepContext {
        guard !cancellation.isCancelled else { throw .cancelled("Function call was cancelled").derived }
        guard callDepth < StepContext.maximumCallDepth else {
            throw .resourceExhausted("Function '\(function)' is called more than \(StepContext.maximumCallDepth) calls deep")
        }
        let call = StepContext(callIn: self, rendezvous)
        guard call.step.liveCalls.wrappingAdd(1, ordering: .relaxed).newValue <= StepContext.maximumLiveCalls else {
            call.endCall()
            throw .resourceExhausted(
                "Function '\(function)' is called while \(StepContext.maximumLiveCalls) calls of functions have not ended in this step")
        }
        return call
    }
    /// Ends the function call whose context this is.
    public func endCall() { step.liveCalls.wrappingSubtract(1, ordering: .relaxed) }

    private var step: StepContext { whole ?? self }

    /// A number that is unique in this step and its function calls, for names of per-step resources.
    public func nextResourceNumber() -> Int { step.counter.wrappingAdd(1, ordering: .relaxed).newValue }
}
