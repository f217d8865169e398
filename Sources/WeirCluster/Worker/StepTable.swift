import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The steps this worker has heard of, each with its rendezvous.
///
/// A step appears with whichever comes first: its RunGraph, or a peer's request for one of its tensors, which may
/// overtake it. It disappears with CleanupGraph; of those that never get one, because their master is gone or they came
/// and went before, so many are kept.
final class StepTable: Sendable {
    final class Step: Sendable {
        let id: Int
        let rendezvous = LocalRendezvous()
        let partial = Mutex<PartialRun?>(nil)
        fileprivate let session = Mutex("")
        /// Parts that run now.
        fileprivate let runs = Atomic<Int>(0)
        fileprivate let hasRun = Atomic<Bool>(false)
        /// Requests that came before any part, as long as they wait. Guarded by the table's lock.
        fileprivate let early = Atomic<Int>(0)
        init(id: Int) { self.id = id }

        /// The run in several calls, and whether this call is the one that begins it.
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
    ///   - capacity: how many steps are kept; those that run are kept beyond it.
    ///   - gate: what waits for steps to end when the server stops.
    init(capacity: Int = 10_000, gate: DrainGate = DrainGate()) {
        steps = Mutex(LRUCache(capacity: capacity))
        self.gate = gate
    }

    var count: Int { steps.withLock { $0.count } }
    /// Of those, the steps of which a part has run here.
    var begunCount: Int { steps.withLock { $0.values.count { $0.hasRun.load(ordering: .relaxed) } } }

    /// Whether a part of a step may begin: while the server stops, only one of a step that has begun.
    func admits(_ id: Int) -> Bool {
        !gate.isClosed || steps.withLock { $0.peek(id) }?.hasRun.load(ordering: .relaxed) == true
    }

    /// Notes that a part of a step begins, for `end` to be called when it has ended.
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

    /// The step that a peer wants a tensor of, and whether `giveUp` is to be called when it no longer does.
    func receive(_ id: Int) -> (step: Step, isEarly: Bool) {
        var isEarly = false
        let step = find(id) { step in
            isEarly = !step.hasRun.load(ordering: .relaxed)
            if isEarly { step.early.wrappingAdd(1, ordering: .relaxed) }
        }
        return (step, isEarly)
    }
    /// A request that came before the step has ended. A step that nobody has run and nobody asks of is forgotten: it was
    /// over before the request came.
    func giveUp(_ step: Step) {
        steps.withLock { steps in
            let left = step.early.wrappingSubtract(1, ordering: .relaxed).newValue
            guard left == 0, step.runs.load(ordering: .relaxed) == 0, !step.hasRun.load(ordering: .relaxed) else { return }
            if steps.peek(step.id) === step { steps.remove(step.id) }
        }
    }

    private func find(_ id: Int, _ note: (Step) -> Void) -> Step {
        let (step, evicted) = steps.withLock { steps -> (Step, [Step]) in
            if let known = steps.use(id) {
                note(known)
                return (known, [])
            }
            let made = Step(id: id)
            note(made)
            return (made, steps.insert(id, made) { $0.runs.load(ordering: .relaxed) > 0 })
        }
        for step in evicted { forget(step) }
        return step
    }

    func remove(_ id: Int) {
        if let step = steps.withLock({ $0.remove(id) }) { forget(step) }
    }

    /// Forgets the steps of a session that is over. Those that still run are cancelled, and forgotten by whoever did that.
    func removeAll(of session: String) {
        let idle = steps.withLock { steps in
            steps.values.filter { step in
                step.runs.load(ordering: .relaxed) == 0 && step.hasRun.load(ordering: .relaxed) && step.session.withLock { $0 } == session
            }
        }
        for step in idle { remove(step.id) }
    }

    private func forget(_ step: Step) {
        step.rendezvous.abort(Status.aborted("Step \(step.id) was cleaned up").derived)
        step.partial.withLock { $0 }?.cancellation.cancel()
        if step.hasRun.load(ordering: .relaxed) { gate.end() }
    }

    /// The keys that are waited for, by step: for messages about what blocks.
    var awaited: [(step: Int, keys: [RendezvousKey])] {
        steps.withLock { $0.values }.map { ($0.id, $0.rendezvous.awaitedKeys) }.filter { !$0.1.isEmpty }
    }
}
