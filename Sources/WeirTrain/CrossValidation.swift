public import WeirCluster
import WeirTensor

/// Trains once for each fold of the rows, which is held out and tested on: what accuracy can be expected of rows that the
/// network has not seen, from all rows rather than from a lucky few.
public struct CrossValidation: Sendable {
    private let options: TrainingOptions
    private let cluster: ClusterSpec
    private let onEvent: Trainer.OnEvent

    /// - Parameter cluster: jobs `ps` and `worker`; not used by the strategy `single`.
    public init(_ options: TrainingOptions, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping Trainer.OnEvent = { _ in }) {
        self.options = options
        self.cluster = cluster
        self.onEvent = onEvent
    }

    /// Trains and tests, fold after fold.
    /// - Parameter task: only this worker's client, as one of several processes; all of them when nil.
    /// - Throws: what `Trainer` throws, at the first fold that fails.
    public func run(asWorker task: Int? = nil) async throws -> CrossValidationReport {
        guard options.foldCount >= 2 else {
            throw Status.invalidArgument("Cross-validation needs at least 2 folds, found \(options.foldCount)")
        }
        var folds: [TrainingReport] = []
        for fold in 0..<options.foldCount {
            try Task.checkCancellation()
            onEvent(.fold(fold))
            let trainer = Trainer(options, fold: fold, cluster: cluster, onEvent: onEvent)
            if let task { folds.append(try await trainer.run(asWorker: task)) } else { folds.append(try await trainer.run()) }
        }
        return CrossValidationReport(folds: folds)
    }
}

/// What training came to, fold by fold.
public struct CrossValidationReport: Sendable {
    public var folds: [TrainingReport]

    public var testAccuracy: Spread { Spread(folds.map(\.testAccuracy)) }
    public var trainAccuracy: Spread { Spread(folds.map(\.trainAccuracy)) }
    /// Rows tested, which are all that there are.
    public var testRowCount: Int { folds.reduce(0) { $0 + $1.testRowCount } }
    public var stepCount: Int { folds.reduce(0) { $0 + $1.stepCount } }
    public var seconds: Double { folds.reduce(0) { $0 + $1.seconds } }
    public var droppedGradients: Int { folds.reduce(0) { $0 + $1.droppedGradients } }
    public var bytesMoved: Int { folds.reduce(0) { $0 &+ $1.bytesMoved } }
    /// Gradients that each worker computed.
    public var updatesByWorker: [Int] {
        (0..<(folds.map(\.updatesByWorker.count).max() ?? 0)).map { worker in
            folds.reduce(0) { $0 + ($1.updatesByWorker.indices.contains(worker) ? $1.updatesByWorker[worker] : 0) }
        }
    }
    /// By step, the mean of the folds' losses.
    public var meanLosses: [(step: Int, loss: Float)] {
        let all = Dictionary(grouping: folds.flatMap(\.losses), by: \.step)
        return all.map { ($0.key, $0.value.reduce(0) { $0 + $1.loss } / Float($0.value.count)) }.sorted { $0.0 < $1.0 }
    }
}

/// The mean of several values, and how far they lie from it.
public struct Spread: Sendable {
    public let mean: Double
    /// The standard deviation over the values that there are.
    public let deviation: Double
    public let least: Double
    public let greatest: Double

    /// - Parameter values: at least one; of none everything is 0.
    public init(_ values: [Double]) {
        let count = Double(max(values.count, 1))
        let mean = values.reduce(0, +) / count
        self.mean = mean
        deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count).squareRoot()
        least = values.min() ?? 0
        greatest = values.max() ?? 0
    }
}
