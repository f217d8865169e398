import Synchronization
import WeirDevice
public import WeirGraph
import WeirKernels
public import WeirTensor

/// An accumulator of gradients of one training step from several workers. Their mean or sum can be taken once there are
/// enough.
///
/// Each take increments the global step. Gradients of an earlier step are stale and are dropped. What is taken does not depend on
/// the order in which the gradients arrived (`HeldGradients`).
public final class GradientAccumulator: Resource, CacheableResource {
    /// The name of the C++ type that TensorFlow writes into handles.
    public static var kind: String { "N10tensorflow26ConditionalAccumulatorBaseE" }

    /// The name in the resource table.
    public let name: String
    /// The dtype of the gradients.
    public let dtype: DType
    /// The shape that all gradients match.
    public let shape: PartialShape
    let isSparse: Bool
    let takesMean: Bool

    struct Waiter {
        let id: Int
        let required: Int
        let pool: ComputePool
        let cancellation: Cancellation
        let token: Cancellation.Token?
        let done: KernelCompletion
    }
    private struct State {
        var globalStep: Int64 = 0
        var dropped = 0
        var gradients = HeldGradients()
        /// The takes that wait, served in order.
        var waiters: [Waiter] = []
        var lastID = 0
    }
    private struct ReadyGradient {
        let waiter: Waiter
        let gradients: HeldGradients
    }
    private let state = Mutex(State())
    private let closed = Atomic<Bool>(false)

    init(name: String, dtype: DType, shape: PartialShape, isSparse: Bool, takesMean: Bool) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.isSparse = isSparse
        self.takesMean = takesMean
    }

    /// The number of gradients since the last take.
    public var count: Int { state.withLock { $0.gradients.count } }
    /// The number of stale gradients that were dropped, over all steps.
    public var droppedCount: Int { state.withLock { $0.dropped } }
    /// The current global step. Gradients of earlier steps are dropped.
    public var globalStep: Int64 { state.withLock { $0.globalStep } }
    /// Whether the accumulator was dropped from its table.
    public var isClosed: Bool { closed.load(ordering: .acquiring) }

    /// Drops the gradients and cancels the takes that wait.
    public func close() {
        closed.store(true, ordering: .releasing)
        let waiters = state.withLock { state -> [Waiter] in
            defer { state = State() }
            return state.waiters
        }
        for waiter in waiters { finish(waiter, .failure(GradientAccumulator.cancelled)) }
    }

    func setGlobalStep(_ step: Int64) { state.withLock { $0.globalStep = step } }

    /// Adds a gradient, unless it is stale.
    /// - Throws: `invalidArgument` when its shape or dtype does not match.
    func apply(_ gradient: Gradient, localStep: Int64, _ pool: ComputePool) throws {
        let ready = try state.withLock { state throws -> ReadyGradient? in
            guard localStep >= state.globalStep else {
                state.dropped += 1
                return nil
            }
            try validate(gradient, like: state.gradients.valueShape)
            let isLast = state.waiters.first.map { state.gradients.count + 1 >= $0.required } ?? false
            try state.gradients.add(gradient, isLast: isLast, pool)
            return takeReady(&state)
        }
        if let ready { deliver(ready) }
    }

    /// Waits for enough gradients, passes their mean or sum to `done`, and starts the next step.
    func take(_ required: Int, _ pool: ComputePool, _ cancellation: Cancellation, _ done: @escaping KernelCompletion) {
        // Registers while locked, so that a concurrent cancellation finds the waiter.
        let (ready, isCancelled) = state.withLock { state -> (ReadyGradient?, Bool) in
            state.lastID += 1
            let id = state.lastID
            var token: Cancellation.Token?
            if state.gradients.count < required || !state.waiters.isEmpty {
                token = isClosed ? nil : cancellation.register { [weak self] in self?.cancel(id) }
                if token == nil { return (nil, true) }
            }
            state.waiters.append(
                Waiter(id: id, required: required, pool: pool, cancellation: cancellation, token: token, done: done))
            return (takeReady(&state), false)
        }
        if isCancelled { return done(.failure(GradientAccumulator.cancelled)) }
        if let ready { deliver(ready) }
    }

    private static let cancelled = Status.cancelled("TakeGrad operation was cancelled")

    private func cancel(_ id: Int) {
        let (waiter, ready) = state.withLock { state -> (Waiter?, ReadyGradient?) in
            guard let index = state.waiters.firstIndex(where: { $0.id == id }) else { return (nil, nil) }
            let waiter = state.waiters.remove(at: index)
            return (waiter, takeReady(&state))
        }
        waiter?.done(.failure(GradientAccumulator.cancelled))
        if let ready { deliver(ready) }
    }

    /// Removes the first waiter and returns the gradients for it, if there are enough.
    private func takeReady(_ state: inout State) -> ReadyGradient? {
        guard let first = state.waiters.first, state.gradients.count >= first.required else { return nil }
        state.waiters.removeFirst()
        defer {
            state.gradients = HeldGradients()
            state.globalStep &+= 1
        }
        return ReadyGradient(waiter: first, gradients: state.gradients)
    }

    /// Computes the sum or mean, without the lock, and completes the waiter.
    private func deliver(_ ready: ReadyGradient) {
        let result: Result<[EdgeValue], Status>
        do {
            let tensors = try ready.gradients.result(mean: takesMean, rows: shape[0], ready.waiter.pool)
            result = .success(tensors.map { .value($0) })
        } catch {
            result = .failure(Status(error))
        }
        finish(ready.waiter, result)
    }
    private func finish(_ waiter: Waiter, _ result: Result<[EdgeValue], Status>) {
        if let token = waiter.token { waiter.cancellation.deregister(token) }
        waiter.done(result)
    }
}
