/// The result of `EnsembleTrainer`.
public struct EnsembleReport: Sendable {
    /// How well a member, or a combination of all, predicts the held-out rows.
    public struct Score: Sendable {
        /// The member's name, or the combination's.
        public let name: String
        /// The fraction of held-out rows whose class is right.
        public let accuracy: Double
        /// The number of rows on which a member was trained; nil for a combination.
        public let trainedRowCount: Int?
        /// Where a member was trained; nil for a combination.
        public let server: SweepServer?
        /// The seconds of a member's training; nil for a combination.
        public let seconds: Double?
    }

    /// The trained ensemble.
    public let ensemble: Ensemble
    /// The members, in order.
    public let members: [Score]
    /// The combinations, in the order in which they were asked for.
    public let combinations: [Score]
    /// The number of held-out rows.
    public let testRowCount: Int
    /// The folder of the ensemble as one model, a SavedModel.
    public let model: String
    /// What the model's output `probabilities` is.
    public let served: EnsembleMethod
    /// The greatest difference between the probabilities of the saved model, read again, and those of the combination.
    public let servedDifference: Double
}
