import Synchronization
public import WeirTensor

/// What a running step offers its kernels, wherever on this task they run.
public final class StepContext: Sendable {
    public let id: Int
    public let rendezvous: any Rendezvous
    public let cancellation: Cancellation
    /// Resources that live as long as the step: tensor arrays, stacks, temporary variables.
    public let resources: ResourceTable
    /// The name of the session's worker state, for kernels that keep per-session state.
    public let sessionHandle: String
    /// Where times are recorded, when the step is traced.
    public let trace: (any StepTrace)?

    /// The step that this is a function's call in; nil for a step itself.
    private let whole: StepContext?
    /// How many calls of functions, each within the other, this is in.
    public let callDepth: Int
    private let liveCalls = Atomic<Int>(0)
    private let counter = Atomic<Int>(0)

    /// Calls of functions within each other, and calls of one step that have begun and not ended. What goes beyond calls
    /// itself without end, or would fill the memory with calls that all wait.
    private static let maximumCallDepth = 10_000
    private static let maximumLiveCalls = 100_000

    public init(
        id: Int, rendezvous: any Rendezvous, cancellation: Cancellation = Cancellation(), sessionHandle: String = "",
        trace: (any StepTrace)? = nil, resources: ResourceTable? = nil
    ) {
        self.id = id
        self.rendezvous = rendezvous
        self.cancellation = cancellation
        self.sessionHandle = sessionHandle
        self.trace = trace
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
        resources = caller.resources
        whole = caller.whole ?? caller
        callDepth = caller.callDepth + 1
    }

    /// Begins a function's call: a step within this step, with a rendezvous of its own, so that two calls of one function
    /// do not meet, and a cancellation of its own, which whoever makes the call ties to this step's. `endCall` must follow,
    /// on what this returns.
    /// - Throws: `cancelled` when the step is; `resourceExhausted` when there are too many calls, one in the other or at once.
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
    public func endCall() { step.liveCalls.wrappingSubtract(1, ordering: .relaxed) }

    private var step: StepContext { whole ?? self }

    /// A number not given out before in this step, its calls of functions included: for names of per-step resources.
    public func nextNumber() -> Int { step.counter.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// Records what ran when.
public protocol StepTrace: AnyObject, Sendable {
    /// Times are nanoseconds since 1970.
    func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [Slot])
}
