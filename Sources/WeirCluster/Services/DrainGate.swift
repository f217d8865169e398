import GRPCCore
import Synchronization
import WeirTensor

/// Decides which calls a stopping server still accepts, and waits for its running steps. Also limits the calls in flight.
///
/// A stopping server rejects calls that start something: sessions, steps of its own master, and partitions of steps that
/// have not begun here. It waits for each step that has run a partition here, over gRPC or a link, until the master cleans
/// the step up: until then peers may still fetch its tensors.
final class DrainGate: Sendable {
    private struct State {
        var isClosed = false
        var running = 0
        var isTimeOver = false
        /// The calls of `close` that wait.
        var waiters: [CheckedContinuation<Void, Never>] = []

        mutating func takeWaiters() -> [CheckedContinuation<Void, Never>] {
            defer { waiters = [] }
            return waiters
        }
    }
    private let state = Mutex(State())
    /// A copy of the state's `isClosed` that is read without locking.
    private let closing = Atomic<Bool>(false)
    private let calls = Atomic<Int>(0)

    private static let startingMethods: Set<String> = [
        MasterMethod.createSession, MasterMethod.partialRunSetup, MasterMethod.runStep, MasterMethod.makeCallable,
        MasterMethod.runCallable,
    ].reduce(into: []) { $0.insert($1.fullyQualifiedMethod) }
    private static let trackedMethods: Set<String> = [
        MasterMethod.runStep, MasterMethod.runCallable, WorkerMethod.runGraph, MasterMethod.closeSession,
    ].reduce(into: []) { $0.insert($1.fullyQualifiedMethod) }

    private static let observedMethods = startingMethods.union(trackedMethods)

    var isClosed: Bool { closing.load(ordering: .relaxed) }
    /// Records the start of a step or call that `close` waits for.
    func begin() { state.withLock { $0.running += 1 } }
    /// Records its end.
    func end() {
        let waiters = state.withLock { state in
            state.running -= 1
            return state.running == 0 ? state.takeWaiters() : []
        }
        for waiter in waiters { waiter.resume() }
    }

    /// The most calls in flight, each of which takes memory. TensorFlow's tasks request thousands of tensors at once.
    static let maximumCalls = 100_000

    /// Admits a call. Each admitted call must `leave`.
    /// - Throws: `unavailable` for a call that starts something while the server stops; `resourceExhausted` for one too many.
    func enter(_ method: String) throws(RPCError) {
        guard calls.wrappingAdd(1, ordering: .relaxed).newValue <= DrainGate.maximumCalls else {
            calls.wrappingSubtract(1, ordering: .relaxed)
            throw RPCError(code: .resourceExhausted, message: "The server answers no more than \(DrainGate.maximumCalls) calls at a time")
        }
        do throws(RPCError) {
            try admit(method)
        } catch {
            calls.wrappingSubtract(1, ordering: .relaxed)
            throw error
        }
    }
    private func admit(_ method: String) throws(RPCError) {
        guard DrainGate.observedMethods.contains(method) else { return }
        let isAdmitted = state.withLock { state -> Bool in
            guard !state.isClosed || !DrainGate.startingMethods.contains(method) else { return false }
            state.running += 1
            return true
        }
        guard isAdmitted else { throw RPCError(code: .unavailable, message: "The server is shutting down") }
    }

    /// Records the end of an admitted call.
    func leave(_ method: String) {
        calls.wrappingSubtract(1, ordering: .relaxed)
        if DrainGate.observedMethods.contains(method) { end() }
    }

    /// Rejects new work, and waits until all steps and calls have ended or `grace` has passed. When it is called more than once,
    /// the first of the grace periods to end counts for all calls.
    /// - Returns: whether everything has ended.
    @discardableResult func close(within grace: Duration) async -> Bool {
        state.withLock { $0.isClosed = true }
        closing.store(true, ordering: .relaxed)
        let timer = Task { [self] in
            try? await Task.sleep(for: grace)
            guard !Task.isCancelled else { return }
            let waiters = state.withLock { state in
                state.isTimeOver = true
                return state.takeWaiters()
            }
            for waiter in waiters { waiter.resume() }
        }
        defer { timer.cancel() }
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                guard state.running > 0, !state.isTimeOver else { return true }
                state.waiters.append(continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
        return state.withLock { $0.running == 0 }
    }
}
