public import WeirTensor

/// What became of a trial of a sweep.
public struct SweptTrial: Hashable, Sendable {
    /// The number of the trial, from 0.
    public let number: Int
    /// All its options.
    public let configuration: [String: ParameterValue]
    /// How often a search by halving promoted it.
    public let rung: Int
    /// The reports of evaluations, by ascending step.
    public let history: [TrialReport]
    /// The objective at the end; nil when the trial failed.
    public let value: Double?
    /// Why it failed; nil when it did not.
    public let failure: Status?
    /// The path of its latest checkpoint, if that was kept.
    public let checkpoint: String?
    /// The number of runs: one, and one more for each promotion and each loss of a server.
    public let runCount: Int
    /// The time of all its runs.
    public let seconds: Double

    /// The step of the last report; 0 without reports.
    public var step: Int { history.last?.step ?? 0 }

    init(_ trial: TrialProgress) {
        number = trial.number
        configuration = trial.configuration
        rung = trial.job.rung
        history = trial.history
        checkpoint = trial.checkpointed?.checkpoint
        runCount = trial.attemptCount
        seconds = trial.seconds
        (value, failure) =
            switch trial.phase {
            case .ended(let value): (value, nil)
            case .failed(let status): (nil, status)
            case .running, .interrupted: (nil, nil)
            }
    }
}
