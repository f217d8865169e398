import GRPCCore
import Synchronization
import WeirTensor

/// Lets a server stop without breaking off what it does: new work is turned away, steps under way are waited for.
///
/// Turned away are calls that begin something: sessions, steps of this server's own master, and parts here of steps that
/// have not begun here. Waited for are steps of which a part has run here, however its call came, until their master has
/// them forgotten: till then peers may still fetch what they made.
final class DrainGate: Sendable {
    private struct State {
        var isClosed = false
        var running = 0
        var isTimeOver = false
        var waiter: CheckedContinuation<Void, Never>?

        mutating func takeWaiter() -> CheckedContinuation<Void, Never>? {
            defer { waiter = nil }
            return waiter
        }
    }
    private let state = Mutex(State())
    /// As `isClosed` in the state, to be asked without the lock.
    private let closing = Atomic<Bool>(false)
    private let calls = Atomic<Int>(0)

    private static let beginning: Set<String> = [
        MasterMethod.createSession, MasterMethod.partialRunSetup, MasterMethod.runStep, MasterMethod.makeCallable,
        MasterMethod.runCallable,
    ].reduce(into: []) { $0.insert($1.fullyQualifiedMethod) }
    private static let counted: Set<String> = [
        MasterMethod.runStep, MasterMethod.runCallable, WorkerMethod.runGraph, MasterMethod.closeSession,
    ].reduce(into: []) { $0.insert($1.fullyQualifiedMethod) }

    private static let watched = beginning.union(counted)

    var isClosed: Bool { closing.load(ordering: .relaxed) }
    /// Something that is waited for begins.
    func begin() { state.withLock { $0.running += 1 } }
    /// It has ended.
    func end() {
        let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.running -= 1
            return state.running == 0 ? state.takeWaiter() : nil
        }
        waiter?.resume()
    }

    /// Calls that wait for an answer, each of which takes memory. TensorFlow's tasks ask for thousands of tensors at once.
    static let maximumCalls = 100_000

    /// - Throws: `unavailable` for a call that would begin something; `resourceExhausted` for one too many.
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
        guard DrainGate.watched.contains(method) else { return }
        let isAdmitted = state.withLock { state -> Bool in
            guard !state.isClosed || !DrainGate.beginning.contains(method) else { return false }
            state.running += 1
            return true
        }
        guard isAdmitted else { throw RPCError(code: .unavailable, message: "The server is shutting down") }
    }

    /// For every call that was let in.
    func leave(_ method: String) {
        calls.wrappingSubtract(1, ordering: .relaxed)
        if DrainGate.watched.contains(method) { end() }
    }

    /// Turns new work away, and returns when nothing is under way, or when the time is over.
    /// - Returns: whether all work has ended.
    @discardableResult func close(within grace: Duration) async -> Bool {
        state.withLock { $0.isClosed = true }
        closing.store(true, ordering: .relaxed)
        let timer = Task { [self] in
            try? await Task.sleep(for: grace)
            let waiter = state.withLock { state -> CheckedContinuation<Void, Never>? in
                state.isTimeOver = true
                return state.takeWaiter()
            }
            waiter?.resume()
        }
        defer { timer.cancel() }
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                guard state.running > 0, !state.isTimeOver else { return true }
                state.waiter = continuation
                return false
            }
            if isOver { continuation.resume() }
        }
        return state.withLock { $0.running == 0 }
    }
}
