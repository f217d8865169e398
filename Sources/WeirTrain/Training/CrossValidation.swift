public import WeirCluster
package import WeirTensor

/// K-fold cross-validation: trains once for each fold of the rows and tests on that fold, which was held out. It estimates the
/// accuracy on unseen rows from all rows, not from one random part.
public struct CrossValidation: Sendable {
    private let options: TrainingOptions
    private let cluster: ClusterSpec
    private let onEvent: Trainer.OnEvent

    /// - Parameters:
    ///   - cluster: jobs `ps` and `worker`; the strategy `single` does not use it.
    ///   - onEvent: called with the events of all folds, possibly from several threads at once.
    public init(_ options: TrainingOptions, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping Trainer.OnEvent = { _ in }) {
        self.options = options
        self.cluster = cluster
        self.onEvent = onEvent
    }

    /// Trains and tests on each fold in turn, or on the first `TrainingOptions.trainedFoldCount`; once, if the data are divided already. Checkpoints
    /// are in a folder for each fold: `fold-1`, `fold-2`…
    /// - Parameter task: runs only this worker's client, as one of several processes; all clients when nil.
    /// - Throws: `invalidArgument` for less than two folds, more than rows, or more trained folds than there are; the error of a folder in
    ///   which checkpoints cannot be saved; the error of `Trainer` for the first fold that fails; `unavailable` when a worker was lost in a
    ///   fold and does not answer when the next one begins.
    public func run(asWorker task: Int? = nil) async throws -> CrossValidationReport {
        try checkFolds()
        // All before the first fold: one that cannot be used would be found only after the folds before it are trained.
        try prepareFolders(asWorker: task)
        var folds: [TrainingReport] = []
        for fold in 0..<options.trainingCount {
            try Task.checkCancellation()
            if let last = folds.last { try await requireAnswers(of: last.lostWorkers, before: fold) }
            onEvent(.fold(fold))
            let trainer = trainer(fold)
            if let task { folds.append(try await trainer.run(asWorker: task)) } else { folds.append(try await trainer.run()) }
        }
        return CrossValidationReport(folds: folds)
    }

    /// Checks the options against the data and the cluster, and makes the folders of checkpoints. Nothing is trained.
    /// - Throws: as `run` before the first fold begins.
    package func prepare(asWorker task: Int? = nil) throws(Status) {
        try checkFolds()
        _ = try trainer(0).checkedPlan()
        try prepareFolders(asWorker: task)
    }

    private func trainer(_ fold: Int) -> Trainer {
        var options = options
        options.checkpoint = checkpoint(fold)
        return Trainer(options, fold: fold, cluster: cluster, onEvent: onEvent)
    }

    private func checkpoint(_ fold: Int) -> TrainingCheckpoint? { options.checkpoint?.inFolder("fold-\(fold + 1)") }

    private func prepareFolders(asWorker task: Int?) throws(Status) {
        try options.checkpoint?.check()
        // Of several processes, the chief saves.
        guard task == nil || task == cluster.taskIndices(job: "worker").first else { return }
        for fold in 0..<options.trainingCount { try checkpoint(fold)?.prepareFolder() }
    }

    private func checkFolds() throws(Status) {
        guard options.foldCount >= 2 || options.data.isDivided else {
            throw .invalidArgument("Cross-validation needs at least 2 folds, found \(options.foldCount)")
        }
        guard options.foldCount <= options.data.rowCount || options.data.isDivided else {
            throw .invalidArgument("\(options.foldCount) folds need as many rows, found \(options.data.rowCount)")
        }
        guard options.data.isDivided || (1...options.foldCount).contains(options.trainingCount) else {
            throw .invalidArgument("Of \(options.foldCount) folds, 1 to all are held out in turn; found \(options.trainingCount)")
        }
    }

    /// A fold begins with all workers: without this, it would wait for one that was lost in the fold before and has not come back.
    private func requireAnswers(of workers: [Int], before fold: Int) async throws(Status) {
        let tasks = cluster.taskIndices(job: "worker")
        for worker in workers where tasks.indices.contains(worker) {
            guard let address = cluster.address(job: "worker", task: tasks[worker]) else { continue }
            do throws(Status) {
                _ = try await ServerProbe.devices(address: address, timeout: .seconds(5))
            } catch {
                throw .unavailable(
                    "Worker /job:worker/task:\(tasks[worker]) was lost in fold \(fold) of \(options.foldCount), and each fold begins with all workers: "
                        + error.message)
            }
        }
    }
}

/// The results of cross-validation.
public struct CrossValidationReport: Sendable {
    /// The report of each fold, in order.
    public var folds: [TrainingReport]

    /// The accuracy on held-out rows, over the folds.
    public var testAccuracy: SampleStatistics { SampleStatistics(folds.map(\.testAccuracy)) }
    /// The accuracy on training rows, over the folds.
    public var trainAccuracy: SampleStatistics { SampleStatistics(folds.map(\.trainAccuracy)) }
    /// The names of the model's metrics, sorted.
    public var metricNames: [String] { Set(folds.flatMap(\.testMetrics.keys)).sorted() }
    /// A metric on held-out rows, over the folds; NaN if the model has no such metric.
    public func testMetric(_ name: String) -> SampleStatistics { SampleStatistics(folds.map { $0.testMetrics[name] ?? .nan }) }
    /// A metric on training rows, over the folds; NaN if the model has no such metric.
    public func trainMetric(_ name: String) -> SampleStatistics { SampleStatistics(folds.map { $0.trainMetrics[name] ?? .nan }) }
    /// The number of rows tested, each once: all, if each fold was held out.
    public var testRowCount: Int { folds.reduce(0) { $0 + $1.testRowCount } }
    /// The number of updates of the variables, of all folds.
    public var stepCount: Int { folds.reduce(0) { $0 + $1.stepCount } }
    /// The time of training in seconds, of all folds.
    public var seconds: Double { folds.reduce(0) { $0 + $1.seconds } }
    /// The number of gradients that were not used, of all folds; nil if it is not known of each.
    public var droppedGradients: Int? {
        let known = folds.compactMap(\.droppedGradients)
        return known.count == folds.count ? known.reduce(0, +) : nil
    }
    /// The bytes of tensors sent between tasks, of all folds.
    public var bytesMoved: Int { folds.reduce(0) { $0 &+ $1.bytesMoved } }
    /// The number of gradients that each worker computed.
    public var updatesByWorker: [Int] {
        (0..<(folds.map(\.updatesByWorker.count).max() ?? 0)).map { worker in
            folds.reduce(0) { $0 + ($1.updatesByWorker.indices.contains(worker) ? $1.updatesByWorker[worker] : 0) }
        }
    }
    /// For each staleness, the number of updates that had it, of all folds; empty if none can be stale.
    public var staleness: [Int: Int] { folds.reduce(into: [:]) { sums, fold in sums.merge(fold.staleness, uniquingKeysWith: +) } }
    /// For each step, the mean of the losses that all folds recorded.
    public var meanLosses: [(step: Int, loss: Float)] {
        let all = Dictionary(grouping: folds.flatMap(\.losses), by: \.step)
        return all.map { ($0.key, $0.value.reduce(0) { $0 + $1.loss } / Float($0.value.count)) }.sorted { $0.0 < $1.0 }
    }
}

/// Mean, standard deviation and range of several values.
public struct SampleStatistics: Sendable {
    /// The mean.
    public let mean: Double
    /// The population standard deviation.
    public let deviation: Double
    /// The least value.
    public let least: Double
    /// The greatest value.
    public let greatest: Double

    /// - Parameter values: the values; without any, all statistics are 0.
    public init(_ values: [Double]) {
        let count = Double(max(values.count, 1))
        let mean = values.reduce(0, +) / count
        self.mean = mean
        deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
        least = values.min() ?? 0
        greatest = values.max() ?? 0
    }

    /// - Parameter counts: for each value, how often it occurs; without any, all statistics are 0.
    public init(counts: [Int: Int]) {
        let count = Double(max(counts.values.reduce(0, +), 1))
        let mean = counts.reduce(0) { $0 + Double($1.key) * Double($1.value) } / count
        self.mean = mean
        deviation = (counts.reduce(0) { $0 + (Double($1.key) - mean) * (Double($1.key) - mean) * Double($1.value) } / count).squareRoot()
        least = Double(counts.keys.min() ?? 0)
        greatest = Double(counts.keys.max() ?? 0)
    }
}
