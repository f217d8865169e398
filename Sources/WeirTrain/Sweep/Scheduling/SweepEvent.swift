public import WeirTensor

/// An event of a sweep, for a display.
public enum SweepEvent: Hashable, Sendable {
    /// A sweep that was interrupted goes on: the trials that have ended, with their values of the objective, and those that failed.
    case resumed(ended: [Int: Double], failed: [Int])
    /// A run of a trial starts, until this step.
    case started(trial: Int, rung: Int, steps: Int, server: String, configuration: [String: ParameterValue])
    /// A trial that runs has been evaluated.
    case reported(trial: Int, TrialReport)
    /// A run reached its last step, with this value of the objective.
    case ended(trial: Int, TrialReport, value: Double)
    /// A server was lost. Its trial goes on from its last checkpoint when a server is free.
    case lost(trial: Int, server: String, reason: String)
    /// A trial failed.
    case failed(trial: Int, Status)
    /// A message for the user.
    case notice(String)

    init(_ record: SweepRecord, _ specification: SweepSpecification) {
        switch record {
        case .started(let job, let server, let configuration):
            self = .started(trial: job.trial, rung: job.rung, steps: job.steps, server: server, configuration: configuration)
        case .reported(let trial, let report): self = .reported(trial: trial, report)
        case .ended(let trial, let report, _):
            self = .ended(trial: trial, report, value: report.metrics[specification.objective.metric] ?? .nan)
        case .lost(let trial, let server, let reason, _): self = .lost(trial: trial, server: server, reason: reason)
        case .failed(let trial, let status, _): self = .failed(trial: trial, status)
        }
    }
}
