import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The steps that this worker knows, each with its rendezvous. TensorFlow's `RendezvousMgr`.
///
/// RunGraph adds a step, and so does a peer's RecvTensor, which may arrive earlier. CleanupGraph removes it. A step whose master
/// is gone gets no CleanupGraph, so the number of steps is limited. The least recently used ones are evicted.
final class StepTable: Sendable {
    /// One step.
    final class Step: Sendable {
        let id: Int
        let rendezvous = LocalRendezvous()
        fileprivate let partial = Mutex<PartialRun?>(nil)
        fileprivate let session = Mutex("")
        /// The number of RunGraph calls that run now.
        fileprivate let runs = Atomic<Int>(0)
        /// Whether the step has had a RunGraph call.
        fileprivate let hasRun = Atomic<Bool>(false)
        /// The number of pending receives that arrived before the first RunGraph call. Guarded by the table's lock.
        fileprivate let earlyReceives = Atomic<Int>(0)
        init(id: Int) { self.id = id }

        /// Returns the partial run of the step, and whether this call made it. The caller then starts it.
        func partialRun() -> (run: PartialRun, begins: Bool) {
            partial.withLock { partial in
                if let partial { return (partial, false) }
                let made = PartialRun()
                partial = made
                return (made, true)
            }
        }
    }

    private let steps: Mutex<LRUCache<Int, Step>>
    private let gate: DrainGate

    /// - Parameters:
    ///   - capacity: the maximum number of steps. Running steps are not evicted, even above it.
    ///   - gate: counts the steps, so that a stopping server can wait for them.
    init(capacity: Int = 10_000, gate: DrainGate = DrainGate()) {
        steps = Mutex(LRUCache(capacity: capacity))
        self.gate = gate
    }

    var count: Int { steps.withLock { $0.count } }
    /// The number of steps that have had a RunGraph call.
    var begunCount: Int { steps.withLock { $0.values.count { $0.hasRun.load(ordering: .relaxed) } } }

    /// Whether a RunGraph call for a step may begin. A stopping server accepts only steps that have had one already.
    func admits(_ id: Int) -> Bool {
        !gate.isClosed || steps.withLock { $0.peek(id) }?.hasRun.load(ordering: .relaxed) == true
    }

    /// Registers a RunGraph call. The caller must call `end` after it.
    func begin(_ id: Int, session: String) -> Step {
        var isFirst = false
        let step = find(id) { step in
            step.runs.wrappingAdd(1, ordering: .relaxed)
            isFirst = !step.hasRun.exchange(true, ordering: .relaxed)
        }
        if isFirst {
            step.session.withLock { $0 = session }
            gate.begin()
        }
        return step
    }
    func end(_ step: Step) { step.runs.wrappingSubtract(1, ordering: .relaxed) }

    /// Returns the step for a peer's receive. If the receive is early, the caller must call `endEarlyReceive` after it.
    func receive(_ id: Int) -> (step: Step, isEarly: Bool) {
        var isEarly = false
        let step = find(id) { step in
            isEarly = !step.hasRun.load(ordering: .relaxed)
            if isEarly { step.earlyReceives.wrappingAdd(1, ordering: .relaxed) }
        }
        return (step, isEarly)
    }
    /// Ends a receive that arrived before its step. When it was the last one and the step has not begun, the step is removed: it
    /// probably ended before the receive arrived.
    func endEarlyReceive(_ step: Step) {
        steps.withLock { steps in
            let left = step.earlyReceives.wrappingSubtract(1, ordering: .relaxed).newValue
            guard left == 0, step.runs.load(ordering: .relaxed) == 0, !step.hasRun.load(ordering: .relaxed) else { return }
            if steps.peek(step.id) === step { steps.remove(step.id) }
        }
    }

    /// Returns the step, and adds it if there is none. Calls `update` with the table's lock held.
    private func find(_ id: Int, _ update: (Step) -> Void) -> Step {
        let (step, evicted) = steps.withLock { steps -> (Step, [Step]) in
            if let known = steps.use(id) {
                update(known)
                return (known, [])
            }
            let made = Step(id: id)
            update(made)
            return (made, steps.insert(id, made) { $0.runs.load(ordering: .relaxed) > 0 })
        }
        for step in evicted { abort(step) }
        return step
    }

    /// Removes a step. Its pending receives fail with `aborted`.
    func remove(_ id: Int) {
        if let step = steps.withLock({ $0.remove(id) }) { abort(step) }
    }

    /// Removes the steps of a closed session, except those that still run. Their master cancels and removes them.
    func removeAll(of session: String) {
        let idle = steps.withLock { steps in
            steps.values.filter { step in
                step.runs.load(ordering: .relaxed) == 0 && step.hasRun.load(ordering: .relaxed) && step.session.withLock { $0 } == session
            }
        }
        for step in idle { remove(step.id) }
    }

    private func abort(_ step: Step) {
        step.rendezvous.abort(Status.aborted("Step \(step.id) was cleaned up").derived)
        step.partial.withLock { $0 }?.cancellation.cancel()
        if step.hasRun.load(ordering: .relaxed) { gate.end() }
    }
}
