import Synchronization
import WeirGraph
import WeirTensor

/// Collects the reports of all clients of one training: steps, losses, and lost workers.
final class TrainingProgress: Sendable {
    struct State {
        var step = 0
        /// The number of updates at the start.
        var firstStep = 0
        /// The sum and the number of the losses since the last evaluation.
        var recentLosses = (sum: 0.0, count: 0)
        var losses: [(step: Int, loss: Float)] = []
        var updates: [Int]
        var lost: Set<Int> = []
        var lostWorkerHandlers: [Int: [@Sendable () -> Void]] = [:]
        var bytesPerStep: [Int: Int] = [:]
        var staleness: [Int: Int] = [:]
        var rowCount = 0
        var ledger: GradientLedger?
        /// The timelines of the clients, by the number of the step.
        var timelines: [Int: [StepTimeline]] = [:]
        /// When the first attempt began its steps.
        var begin: ContinuousClock.Instant?
        /// The greatest number of updates that any attempt reached.
        var furthestStep = 0
        /// How far this attempt has come.
        var phase = AttemptPhase.opening
        /// The workers whose clients run in this process.
        var ownWorkers: Set<Int> = []
        /// The clients of lost workers that wait until these answer again.
        var returnWaiters: [Int: CheckedContinuation<Bool, Never>] = [:]
        /// For each update that may be undone, which gradients it used.
        var usedByStep: [(step: Int, used: [Int])] = []
        /// The checkpoint with which training began; nil for the initial values.
        var firstCheckpoint: String?
        /// Whether this training has saved a checkpoint.
        var hasSaved = false
        /// Why the state was not saved when it was last tried.
        var saveFailure: Status?
    }
    // Of the class and its extensions alone.
    let state: Mutex<State>
    let onEvent: Trainer.OnEvent
    private let start = ContinuousClock.now
    let workerCount: Int
    private let keepsLedger: Bool
    /// Whether updates may be undone, by an attempt that begins with an earlier state.
    private let mayUndo: Bool

    /// - Parameters:
    ///   - keepsLedger: whether it is recorded which gradients the updates use.
    ///   - mayUndo: whether there may be several attempts.
    init(workerCount: Int, keepsLedger: Bool = false, mayUndo: Bool = false, onEvent: @escaping Trainer.OnEvent) {
        self.mayUndo = mayUndo
        self.workerCount = workerCount
        self.onEvent = onEvent
        self.keepsLedger = keepsLedger
        state = Mutex(
            State(updates: [Int](repeating: 0, count: workerCount), ledger: keepsLedger ? GradientLedger(workerCount: workerCount) : nil))
    }

    /// Records that a worker begins to compute a gradient.
    func beginStep(_ worker: Int) {
        if keepsLedger { state.withLock { $0.ledger?.begunSteps[worker] += 1 } }
    }
    /// Records which gradients an update used.
    func record(_ entry: GradientLedger.Entry) {
        state.withLock { state in
            state.ledger?.add(entry)
            if mayUndo { state.usedByStep.append((entry.step, entry.used)) }
        }
        onEvent(.updated(entry))
    }

    /// Records the number of updates with which an attempt begins its steps. Those after it, of earlier attempts, are undone.
    func begin(at step: Int) {
        state.withLock { state in
            state.firstStep = state.begin == nil ? step : min(state.firstStep, step)
            state.begin = state.begin ?? .now
            state.step = step
            state.phase = .steps
            state.losses.removeAll { $0.step > step }
            state.ledger?.remove(state.usedByStep.filter { $0.step > step }.map(\.used))
            state.usedByStep.removeAll { $0.step > step }
        }
    }
    /// When the first attempt began its steps.
    var beginning: ContinuousClock.Instant { state.withLock { $0.begin } ?? start }

    /// Records an evaluation.
    func evaluated(_ evaluation: TrainingEvaluation) {
        var evaluation = evaluation
        evaluation.trainLoss = state.withLock { state in
            defer { state.recentLosses = (0, 0) }
            return state.recentLosses.count == 0 ? nil : state.recentLosses.sum / Double(state.recentLosses.count)
        }
        onEvent(.evaluated(evaluation))
    }
    /// Reports the values that the trained variables have reached.
    func reached(_ values: [String: Tensor], step: Int) { onEvent(.parameters(step: step, values)) }
    /// Records that the state was saved.
    func saved(_ path: String, step: Int) {
        state.withLock { state in
            state.hasSaved = true
            state.saveFailure = nil
        }
        onEvent(.saved(step: step, path: path))
    }
    /// Records that the state could not be saved.
    /// - Parameter next: when it is tried again; nil if training has ended.
    func notSaved(_ path: String, _ failure: Status, next: String?) {
        state.withLock { $0.saveFailure = Status(failure.code, "\(path) was not saved: \(failure.message)") }
        let rest = next.map { "training goes on, the next try is \($0)" } ?? "training has ended"
        onEvent(.notice("CHECKPOINT NOT SAVED: \(path): \(failure.message); \(rest)"))
    }

    func recordStep(_ worker: Int, globalStep: Int, loss: Float, staleness: Int? = nil) {
        let seconds = (ContinuousClock.now - start).seconds
        let event = state.withLock { state -> TrainingStep in
            state.step = max(state.step, globalStep)
            state.furthestStep = max(state.furthestStep, state.step)
            state.updates[worker] += 1
            state.losses.append((globalStep, loss))
            state.recentLosses = (state.recentLosses.sum + Double(loss), state.recentLosses.count + 1)
            if let staleness { state.staleness[staleness, default: 0] += 1 }
            return TrainingStep(
                step: state.step, loss: loss, worker: worker, stepsPerSecond: Double(state.step - state.firstStep) / max(seconds, 1e-9),
                workersAlive: workerCount - state.lost.count, staleness: staleness)
        }
        onEvent(.step(event))
    }

    /// Records that a step computed the gradients of so many rows.
    func recordRows(_ count: Int) { state.withLock { $0.rowCount += count } }

    /// Records that a worker is lost.
    /// - Returns: the number of workers left.
    func lost(_ worker: Int, _ reason: String) -> Int {
        let (isNew, left) = state.withLock { state in (state.lost.insert(worker).inserted, workerCount - state.lost.count) }
        if isNew { for handler in state.withLock({ $0.lostWorkerHandlers.removeValue(forKey: worker) }) ?? [] { handler() } }
        if isNew { onEvent(.notice("worker \(worker) is lost: \(reason); \(left) of \(workerCount) workers left")) }
        return left
    }
    /// Calls `action` when the worker is lost; immediately when it already is.
    func whenLost(_ worker: Int, _ action: @escaping @Sendable () -> Void) {
        let isLost = state.withLock { state -> Bool in
            if !state.lost.contains(worker) { state.lostWorkerHandlers[worker, default: []].append(action) }
            return state.lost.contains(worker)
        }
        if isLost { action() }
    }
    func notice(_ text: String) { onEvent(.notice(text)) }
    func isLost(_ worker: Int) -> Bool { state.withLock { $0.lost.contains(worker) } }
    /// Records what the devices did in a step of one client.
    func record(_ timeline: StepTimeline, step: Int) { state.withLock { $0.timelines[step, default: []].append(timeline) } }
    func setBytesPerStep(_ worker: Int, _ bytes: Int) { state.withLock { $0.bytesPerStep[worker] = bytes } }

    /// Makes the report, without metrics.
    /// - Parameter hasAllClients: whether no client ran in another process.
    func report(
        stepCount: Int, seconds: Double, gradientsPerUpdate: Int?, hasAllClients: Bool, placement: [(device: String, opCount: Int, byteCount: Int)]
    ) -> TrainingReport {
        state.withLock { state in
            let computed = state.updates.reduce(0, +)
            let done = max(0, stepCount - state.firstStep)
            var dropped: Int? = 0
            // Without backups an update uses one gradient of each worker. With them, it uses those that are there.
            if let gradientsPerUpdate {
                dropped = gradientsPerUpdate == workerCount && hasAllClients ? max(0, computed - gradientsPerUpdate * done) : nil
            }
            var report = TrainingReport(
                trainMetrics: [:], testMetrics: [:], testRowCount: 0, stepCount: stepCount, seconds: seconds,
                stepsPerSecond: Double(done) / max(seconds, 1e-9), samplesPerSecond: Double(state.rowCount) / max(seconds, 1e-9),
                updatesByWorker: state.updates,
                droppedGradients: dropped, staleness: state.staleness,
                bytesMoved: state.updates.enumerated().reduce(0) { $0 &+ $1.element &* (state.bytesPerStep[$1.offset] ?? 0) },
                losses: state.losses.sorted { $0.step < $1.step }, placement: placement)
            report.lostWorkers = state.lost.sorted()
            // The ledger counts what the updates took, also if that was more than they required.
            if let ledger = state.ledger, !ledger.dropped.contains(nil), ledger.variableCount > 0 {
                report.droppedGradients = ledger.dropped.reduce(0) { $0 + ($1 ?? 0) } / ledger.variableCount
            }
            report.ledger = state.ledger
            report.saveFailure = state.saveFailure
            report.timelines = state.timelines.sorted { $0.key < $1.key }.map { ($0.key, StepTimeline(merging: $0.value)) }
            return report
        }
    }
}
