import Synchronization
import WeirGraph
import WeirTensor

/// Collects the reports of all clients of one training: steps, losses, and lost workers.
final class TrainingProgress: Sendable {
    private struct State {
        var step = 0
        var losses: [(step: Int, loss: Float)] = []
        var updates: [Int]
        var lost: Set<Int> = []
        var lostWorkerHandlers: [Int: @Sendable () -> Void] = [:]
        var bytesPerStep: [Int: Int] = [:]
        var staleness: [Int: Int] = [:]
    }
    private let state: Mutex<State>
    private let onEvent: Trainer.OnEvent
    private let start = ContinuousClock.now
    private let workerCount: Int

    init(workerCount: Int, onEvent: @escaping Trainer.OnEvent) {
        self.workerCount = workerCount
        self.onEvent = onEvent
        state = Mutex(State(updates: [Int](repeating: 0, count: workerCount)))
    }

    func recordStep(_ worker: Int, globalStep: Int, loss: Float, staleness: Int? = nil) {
        let seconds = (ContinuousClock.now - start).seconds
        let event = state.withLock { state -> TrainingStep in
            state.step = max(state.step, globalStep)
            state.updates[worker] += 1
            state.losses.append((globalStep, loss))
            if let staleness { state.staleness[staleness, default: 0] += 1 }
            return TrainingStep(
                step: state.step, loss: loss, worker: worker, stepsPerSecond: Double(state.step) / max(seconds, 1e-9),
                workersAlive: workerCount - state.lost.count, staleness: staleness)
        }
        onEvent(.step(event))
    }

    /// Records that a worker is lost.
    /// - Returns: the number of workers left.
    func lost(_ worker: Int, _ reason: String) -> Int {
        let (isNew, left) = state.withLock { state in (state.lost.insert(worker).inserted, workerCount - state.lost.count) }
        if isNew { state.withLock { $0.lostWorkerHandlers.removeValue(forKey: worker) }?() }
        if isNew { onEvent(.notice("worker \(worker) is lost: \(reason); \(left) of \(workerCount) workers left")) }
        return left
    }
    /// Calls `action` when the worker is lost; immediately when it already is.
    func whenLost(_ worker: Int, _ action: @escaping @Sendable () -> Void) {
        let isLost = state.withLock { state -> Bool in
            if !state.lost.contains(worker) { state.lostWorkerHandlers[worker] = action }
            return state.lost.contains(worker)
        }
        if isLost { action() }
    }
    func notice(_ text: String) { onEvent(.notice(text)) }
    func isLost(_ worker: Int) -> Bool { state.withLock { $0.lost.contains(worker) } }
    func setBytesPerStep(_ worker: Int, _ bytes: Int) { state.withLock { $0.bytesPerStep[worker] = bytes } }

    /// Makes the report, without metrics.
    func report(
        stepCount: Int, seconds: Double, gradientsPerUpdate: Int?, placement: [(device: String, opCount: Int, byteCount: Int)]
    ) -> TrainingReport {
        state.withLock { state in
            let computed = state.updates.reduce(0, +)
            return TrainingReport(
                trainMetrics: [:], testMetrics: [:], testRowCount: 0, stepCount: stepCount, seconds: seconds,
                stepsPerSecond: Double(stepCount) / max(seconds, 1e-9), samplesPerSecond: 0, updatesByWorker: state.updates,
                droppedGradients: gradientsPerUpdate.map { max(0, computed - $0 * stepCount) } ?? 0, staleness: state.staleness,
                bytesMoved: state.updates.enumerated().reduce(0) { $0 &+ $1.element &* (state.bytesPerStep[$1.offset] ?? 0) },
                losses: state.losses.sorted { $0.step < $1.step }, placement: placement)
        }
    }
}
