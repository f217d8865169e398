import Weir

@testable import WeirTrain

/// A runner whose runs end when a test says so, or when they are cancelled.
actor FakeTrialRunner: TrialRunner {
    struct Run: Sendable {
        let id: Int
        let trial: Trial
        let steps: Int
        let server: SweepServer
        let report: @Sendable (TrialReport) -> Void
    }

    /// The runs in the order in which they start.
    nonisolated let runs: AsyncStream<Run>
    private let started: AsyncStream<Run>.Continuation
    private var open: [Int: CheckedContinuation<Result<TrialReport, Status>, Never>] = [:]
    private var count = 0

    init() { (runs, started) = AsyncStream.makeStream() }

    func run(
        _ trial: Trial, until steps: Int, on server: SweepServer, onReport: @escaping @Sendable (TrialReport) -> Void
    ) async throws(Status) -> TrialReport {
        count += 1
        let id = count
        let result = await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Result<TrialReport, Status>, Never>) in
                guard !Task.isCancelled else { return continuation.resume(returning: .failure(.cancelled("cancelled"))) }
                open[id] = continuation
                started.yield(Run(id: id, trial: trial, steps: steps, server: server, report: onReport))
            }
        } onCancel: {
            Task { await self.end(id, .failure(.cancelled("cancelled"))) }
        }
        return try result.get()
    }

    /// Ends a run that has not ended.
    func end(_ id: Int, _ result: Result<TrialReport, Status>) { open.removeValue(forKey: id)?.resume(returning: result) }

    /// Ends a run well: the objective `loss` is the value, and the checkpoint is in the run's folder.
    func end(_ run: Run, loss: Double) {
        end(run.id, .success(TrialReport(step: run.steps, metrics: ["loss": loss], checkpoint: "\(run.trial.directory)/model-\(run.steps)")))
    }
}
