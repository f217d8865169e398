import Synchronization
import WeirTensor

/// How far an attempt has come.
enum AttemptPhase: Comparable { case opening, open, steps, ended }

// Workers that are lost and return, and attempts that follow each other.
extension TrainingProgress {
    /// Begins an attempt. What waited for the workers of the one before waits no more.
    /// - Parameter absentWorkers: those that do not answer. All others do.
    func beginAttempt(absentWorkers: Set<Int>) {
        let (waiters, returned) = state.withLock { state -> ([CheckedContinuation<Bool, Never>], [Int]) in
            defer {
                state.lost = absentWorkers
                state.lostWorkerHandlers = [:]
                state.returnWaiters = [:]
                state.phase = .opening
            }
            return (Array(state.returnWaiters.values), state.lost.subtracting(absentWorkers).sorted())
        }
        for waiter in waiters { waiter.resume(returning: false) }
        for worker in returned { notice("worker \(worker) is back") }
    }

    /// Records whose clients run in this process.
    func runsClients(of workers: [Int]) { state.withLock { $0.ownWorkers = Set(workers) } }
    /// Whether one of these workers is not lost.
    var hasOwnWorkerLeft: Bool { state.withLock { !$0.ownWorkers.isSubset(of: $0.lost) } }
    /// Records the checkpoint with which training begins; nil for the initial values.
    func beginsFirst(with path: String?) { state.withLock { $0.firstCheckpoint = path } }
    /// The checkpoint with which training began; nil for the initial values.
    var firstCheckpoint: String? { state.withLock { $0.firstCheckpoint } }
    /// Whether the clients of this attempt have begun their steps.
    var hasBegun: Bool { state.withLock { $0.phase >= .steps } }
    /// Records that the sessions of all clients are open.
    func opened() { state.withLock { $0.phase = .open } }
    /// Whether all servers that training needs have answered.
    var areSessionsOpen: Bool { state.withLock { $0.phase >= .open } }
    /// Whether this training has saved a checkpoint.
    var hasSaved: Bool { state.withLock { $0.hasSaved } }
    /// The greatest number of updates that any attempt reached.
    var furthestStep: Int { state.withLock { $0.furthestStep } }
    /// The number of updates that this attempt has reached.
    var step: Int { state.withLock { $0.step } }
    /// The steps whose timelines are recorded.
    var tracedSteps: Set<Int> { state.withLock { Set($0.timelines.keys) } }
    /// The numbers of the workers that are lost.
    var lostWorkers: Set<Int> { state.withLock { $0.lost } }

    /// Records that a worker answers again. Does nothing if it is not lost.
    func returned(_ worker: Int) {
        let (isNew, left, waiter) = state.withLock { state in
            let isNew = state.lost.remove(worker) != nil
            return (isNew, workerCount - state.lost.count, isNew ? state.returnWaiters.removeValue(forKey: worker) : nil)
        }
        guard isNew else { return }
        notice("worker \(worker) is back; \(left) of \(workerCount) workers")
        waiter?.resume(returning: true)
    }

    /// Waits until a lost worker answers again.
    /// - Returns: false when training has ended instead, or the wait was cancelled.
    func hasReturned(_ worker: Int) async -> Bool {
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let known = state.withLock { state -> Bool? in
                    // If the task is cancelled after this, the handler finds the continuation.
                    if state.phase == .ended || Task.isCancelled { return false }
                    if !state.lost.contains(worker) { return true }
                    state.returnWaiters[worker] = continuation
                    return nil
                }
                if let known { continuation.resume(returning: known) }
            }
        } onCancel: {
            state.withLock { $0.returnWaiters.removeValue(forKey: worker) }?.resume(returning: false)
        }
    }

    /// Records that the chief has made its last step: nobody waits for lost workers any more.
    func end() {
        let waiters = state.withLock { state -> [CheckedContinuation<Bool, Never>] in
            state.phase = .ended
            defer { state.returnWaiters = [:] }
            return Array(state.returnWaiters.values)
        }
        for waiter in waiters { waiter.resume(returning: false) }
    }
    /// Whether the chief has made its last step.
    var hasEnded: Bool { state.withLock { $0.phase == .ended } }
}
