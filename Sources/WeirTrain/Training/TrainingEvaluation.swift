/// What a model that is being trained has reached on held-out rows.
public struct TrainingEvaluation: Sendable {
    /// The number of updates so far.
    public var step: Int
    /// The loss on the held-out rows.
    public var testLoss: Double
    /// The metrics on the held-out rows, by name.
    public var testMetrics: [String: Double]
    /// The mean of the batches' losses since the last evaluation; nil without batches.
    public var trainLoss: Double?
}
