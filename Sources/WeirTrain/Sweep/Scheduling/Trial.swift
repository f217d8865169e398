/// One run of a configuration on one server, as a `TrialRunner` gets it.
public struct Trial: Hashable, Sendable {
    /// The number of the configuration in the sweep, from 0. It stays the same when the trial is promoted or retried.
    public let number: Int
    /// The options, with the values of the hyper-parameters.
    public let configuration: [String: ParameterValue]
    /// How often a search by halving has promoted the trial.
    public let rung: Int
    /// The number of this run of the trial, from 1: each promotion and each retry is another one.
    public let attempt: Int
    /// A folder for the files of this run. It need not exist, and no other run of the sweep has it.
    public let directory: String
    /// The checkpoint to go on from; nil to start from initial values.
    public let checkpoint: String?
    /// The step of the checkpoint; 0 without one.
    public let checkpointStep: Int
    /// The reports up to the checkpoint, by ascending step.
    public let history: [TrialReport]
}
