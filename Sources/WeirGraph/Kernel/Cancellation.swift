import Synchronization
import WeirTensor

/// Tells all waiting operations of a step or request to stop. TensorFlow's `CancellationManager`.
public final class Cancellation: Sendable {
    /// Identifies a registered callback.
    public typealias Token = Int
    private struct State {
        var isCancelled = false
        var next = 0
        var callbacks: [Int: @Sendable () -> Void] = [:]
    }
    private let state = Mutex(State())
    private let flag = Atomic<Bool>(false)

    /// A cancellation that is not cancelled.
    public init() {}

    /// Whether `cancel` was called. One atomic load, so it can be called in every iteration of a loop.
    public var isCancelled: Bool { flag.load(ordering: .acquiring) }

    /// Registers a callback that `cancel` calls once.
    /// - Returns: nil if `cancel` was already called. The callback is then not called.
    public func register(_ callback: @escaping @Sendable () -> Void) -> Token? {
        state.withLock { state in
            guard !state.isCancelled else { return nil }
            state.next += 1
            state.callbacks[state.next] = callback
            return state.next
        }
    }

    /// Removes a callback.
    /// - Returns: false if the cancellation has begun. The callback then runs, or has run.
    @discardableResult public func deregister(_ token: Token) -> Bool {
        state.withLock { $0.callbacks.removeValue(forKey: token) != nil }
    }

    /// Calls all callbacks on this thread. Further calls have no effect.
    public func cancel() {
        flag.store(true, ordering: .releasing)
        let callbacks = state.withLock { state -> [@Sendable () -> Void] in
            guard !state.isCancelled else { return [] }
            state.isCancelled = true
            defer { state.callbacks = [:] }
            return Array(state.callbacks.values)
        }
        for callback in callbacks { callback() }
    }
}
