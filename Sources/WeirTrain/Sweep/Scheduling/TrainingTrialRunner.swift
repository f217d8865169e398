import Synchronization
public import WeirTensor
import WeirWire

/// Trains the trials of a sweep: each on one server, or in this process.
///
/// A run is evaluated on held-out rows at equal intervals and at its end. The reports have the metrics `test_loss`, `train_loss` (the
/// mean over the batches since the last report) and, for each metric of the model, `test_` and its name, as `test_accuracy`. At each
/// report the state is saved, in the run's folder; a run that begins with a checkpoint computes what one run would have computed without
/// the interruption. Fold 0 of the rows is held out.
public struct TrainingTrialRunner: TrialRunner {
    /// Makes the options of a training from the options of a trial. Steps and checkpoints are set by the sweep.
    public typealias MakeOptions = @Sendable ([String: ParameterValue]) throws -> TrainingOptions
    private let makeOptions: MakeOptions

    /// - Parameter makeOptions: what a configuration means. An error that it throws ends the trial. If it sets no
    ///   `evaluationInterval`, there are ten evaluations in a run.
    public init(_ makeOptions: @escaping MakeOptions) { self.makeOptions = makeOptions }

    /// Trains a trial.
    public func run(
        _ trial: Trial, until steps: Int, on server: SweepServer, onReport: @escaping @Sendable (TrialReport) -> Void
    ) async throws(Status) -> TrialReport {
        do {
            let (options, cluster) = try await options(trial, until: steps).placed(on: server)
            let reports = TrialReports(trial, until: steps, onReport)
            _ = try await Trainer(options, cluster: cluster) { reports.add($0) }.run()
            return try reports.last()
        } catch {
            throw Status(error)
        }
    }

    private func options(_ trial: Trial, until steps: Int) throws -> TrainingOptions {
        var options = try makeOptions(trial.configuration)
        options.stepCount = steps
        options.tracedSteps = []
        let interval = options.evaluationInterval ?? max(1, (steps - trial.checkpointStep) / 10)
        options.evaluationInterval = interval
        options.checkpoint = TrainingCheckpoint(
            FileSystem.join(trial.directory, "model"), every: interval, from: trial.checkpoint.map { .path($0) } ?? .initialValues, maxToKeep: nil)
        return options
    }
}

/// Makes the reports of one run of a trial from the events of its training.
private final class TrialReports: Sendable {
    private struct State {
        var checkpoint: String?
        var last: TrialReport?
    }
    private let steps: Int
    private let onReport: @Sendable (TrialReport) -> Void
    private let state: Mutex<State>

    init(_ trial: Trial, until steps: Int, _ onReport: @escaping @Sendable (TrialReport) -> Void) {
        self.steps = steps
        self.onReport = onReport
        // A run that was complete before its report arrived saves nothing.
        state = Mutex(State(checkpoint: trial.checkpoint))
    }

    func add(_ event: TrainingEvent) {
        switch event {
        case .saved(_, let path): state.withLock { $0.checkpoint = path }
        case .evaluated(let evaluation):
            // The run's return value is the report of its end.
            let report = state.withLock { state in
                let report = TrialReport(step: min(evaluation.step, steps), metrics: evaluation.metrics, checkpoint: state.checkpoint)
                state.last = report
                return report
            }
            if report.step < steps { onReport(report) }
        case .fold, .placed, .graph, .parameters, .step, .updated, .notice: break
        }
    }

    func last() throws(Status) -> TrialReport {
        guard let last = state.withLock({ $0.last }), last.step >= steps else {
            throw .internalError("expected an evaluation after \(steps) updates, found none")
        }
        return last
    }
}

extension SweepSpecification {
    /// Checks that trials with a model report the metric that the sweep optimizes.
    /// - Throws: `invalidArgument` with the metrics that there are.
    package func checkMetric(of model: ModelGraph) throws(Status) {
        let names = (["test_loss", "train_loss"] + model.metrics.keys.map { "test_\($0)" }).sorted()
        guard !names.contains(objective.metric) else { return }
        let near = objective.metric.nearest(among: names)
        throw .invalidArgument(
            "objective.metric: expected one of \(names.joined(separator: ", ")), found '\(objective.metric)'"
                + (near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))"))
    }
}

extension TrainingEvaluation {
    /// The numbers under the names by which a sweep's objective names them.
    var metrics: [String: Double] {
        var metrics = ["test_loss": testLoss]
        metrics["train_loss"] = trainLoss
        // A model's metric of the name of the loss does not replace the loss.
        metrics.merge(testMetrics.map { ("test_\($0.key)", $0.value) }) { first, _ in first }
        return metrics
    }
}
