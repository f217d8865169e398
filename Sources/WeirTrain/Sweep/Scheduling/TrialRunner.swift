public import WeirTensor

/// Trains the trials of a sweep. The sweep knows nothing of models: what a configuration means is up to the runner.
public protocol TrialRunner: Sendable {
    /// Trains a trial from its checkpoint, if it has one, until it has `steps` updates.
    ///
    /// The method must end soon after its task is cancelled: the server gets no other trial before.
    /// - Parameter onReport: called after each evaluation, with ascending steps. The checkpoint of the latest report that has one is what
    ///   the trial goes on from when this server is lost, when the sweep is interrupted, or when the trial is promoted. The sweep removes
    ///   the checkpoints before it.
    /// - Returns: the report at the end, with the metric that the sweep optimizes.
    /// - Throws: `unavailable`, `aborted` or, without cancellation, `cancelled` when the server is lost: the trial is retried on
    ///   another. Any other error ends the trial.
    func run(
        _ trial: Trial, until steps: Int, on server: SweepServer, onReport: @escaping @Sendable (TrialReport) -> Void
    ) async throws(Status) -> TrialReport
}
