import Synchronization
public import WeirTensor
import WeirWire

/// Records trainings for TensorBoard: a run for each fold, `fold-1`, `fold-2`…, in one folder.
///
/// A run has the hyper-parameters and the graph, the loss and the speed of each step, and with each evaluation the loss and the metrics
/// on held-out rows and the distributions of the trained variables. Graph and distributions need `TrainingOptions.reportsDetails`,
/// evaluations `TrainingOptions.evaluationInterval`.
///
/// ```swift
/// let summaries = TrainingSummaries(directory: "logs", hyperparameters: ["learning_rate": 0.01])
/// let report = try await CrossValidation(options) { summaries.record($0) }.run()
/// try summaries.close()
/// ```
public final class TrainingSummaries: Sendable {
    private struct State {
        var writer: SummaryWriter?
        /// The first failure. Training goes on without the file.
        var failure: Status?
    }
    private let directory: String
    private let hyperparameters: [String: HyperparameterValue]
    private let state = Mutex(State())

    /// The scalars that TensorBoard's table of runs shows.
    private let shown: [String]

    /// - Parameters:
    ///   - directory: the folder of the runs. It is created with the first.
    ///   - hyperparameters: what tells one training from another, by name.
    ///   - metrics: the model's metrics that TensorBoard's table of runs shows, besides the losses.
    public init(directory: String, hyperparameters: [String: HyperparameterValue] = [:], metrics: [String] = ["accuracy"]) {
        self.directory = directory
        self.hyperparameters = hyperparameters
        shown = ["loss", "test_loss"] + metrics.map { "test_\($0)" }
    }

    /// The first failure of a write; nil if there was none. After it, nothing is recorded.
    public var failure: Status? { state.withLock { $0.failure } }

    /// Records an event. It may be called from several threads at once.
    public func record(_ event: TrainingEvent) {
        if case .fold(let number) = event { return use { state throws(Status) in try self.begin(&state, "fold-\(number + 1)") } }
        use { state throws(Status) in
            // A training that is no cross-validation has no folds.
            if state.writer == nil { try self.begin(&state, "training") }
            if let writer = state.writer { try TrainingSummaries.write(event, writer) }
        }
    }

    /// Ends the run that was recorded last.
    /// - Parameter succeeded: whether the training came to its end.
    /// - Throws: the first failure of all writes.
    public func close(succeeded: Bool = true) throws(Status) {
        use { state throws(Status) in try TrainingSummaries.end(&state, succeeded) }
        if let failure { throw failure }
    }

    /// Calls `body` unless something failed before, and keeps its failure.
    private func use(_ body: (inout State) throws(Status) -> Void) {
        state.withLock { state in
            guard state.failure == nil else { return }
            do throws(Status) { try body(&state) } catch { state.failure = error }
        }
    }

    private func begin(_ state: inout State, _ run: String) throws(Status) {
        try TrainingSummaries.end(&state, true)
        let writer = try SummaryWriter(directory: FileSystem.join(directory, run))
        state.writer = writer
        try writer.hyperparameters(hyperparameters, metrics: shown)
    }

    private static func end(_ state: inout State, _ succeeded: Bool) throws(Status) {
        guard let writer = state.writer else { return }
        state.writer = nil
        try writer.end(succeeded: succeeded)
        try writer.close()
    }

    private static func write(_ event: TrainingEvent, _ writer: SummaryWriter) throws(Status) {
        switch event {
        case .fold, .updated: break
        case .graph(let graph): try writer.graph(graph)
        case .placed(let text): try writer.text("placement", text, step: 0)
        case .notice(let text): try writer.text("notice", text, step: 0)
        case .step(let step):
            try writer.scalar("loss", Double(step.loss), step: step.step)
            try writer.scalar("steps_per_second", step.stepsPerSecond, step: step.step)
            if let staleness = step.staleness { try writer.scalar("staleness", Double(staleness), step: step.step) }
        case .evaluated(let evaluation):
            try writer.scalar("test_loss", evaluation.testLoss, step: evaluation.step)
            for (name, value) in evaluation.testMetrics.sorted(by: { $0.key < $1.key }) where name != "loss" {
                try writer.scalar("test_\(name)", value, step: evaluation.step)
            }
            // Readers see what an evaluation says at once.
            try writer.flush()
        case .parameters(let step, let values):
            for (name, value) in values.sorted(by: { $0.key < $1.key }) {
                guard let numbers = value.realNumbers else { continue }
                // A training that diverges is recorded to its end.
                let finite = numbers.filter(\.isFinite)
                if finite.count < numbers.count {
                    try writer.text("notice", "\(numbers.count - finite.count) of \(numbers.count) elements of \(name) are not finite", step: step)
                }
                try writer.histogram(name, finite, step: step)
            }
        case .saved(let step, let path):
            try writer.append(Event(step: Int64(step), .session(Event.SessionLog(.checkpoint, checkpointPath: path))))
        }
    }
}
