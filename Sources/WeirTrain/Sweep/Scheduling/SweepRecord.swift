import WeirTensor
import WeirWire

/// An event of a sweep that changes what is left to do. The sequence of records is the sweep's state.
enum SweepRecord: Hashable, Sendable {
    /// A run of a trial starts.
    case started(SearchJob, server: String, configuration: [String: ParameterValue])
    /// A trial that runs has been evaluated.
    case reported(trial: Int, TrialReport)
    /// A run reached its last step.
    case ended(trial: Int, TrialReport, seconds: Double)
    /// A run ended because its server was lost. The trial will be run again.
    case lost(trial: Int, server: String, reason: String, seconds: Double)
    /// A trial ended for a reason of its own. It will not be run again.
    case failed(trial: Int, Status, seconds: Double)

    private enum Event: String, CaseIterable { case started, reported, ended, lost, failed }

    var json: JSONValue {
        func object(_ event: Event, _ trial: Int, _ members: [JSONValue.Member]) -> JSONValue {
            .object([.init("event", .text(event.rawValue)), .init("trial", .integer(trial))] + members)
        }
        return switch self {
        case .started(let job, let server, let configuration):
            object(
                .started, job.trial,
                [
                    .init("rung", .integer(job.rung)), .init("steps", .integer(job.steps)), .init("server", .text(server)),
                    .init("configuration", JSONValue(configuration)),
                ])
        case .reported(let trial, let report): object(.reported, trial, report.json)
        case .ended(let trial, let report, let seconds): object(.ended, trial, report.json + [.init("seconds", JSONValue(seconds))])
        case .lost(let trial, let server, let reason, let seconds):
            object(.lost, trial, [.init("server", .text(server)), .init("reason", .text(reason)), .init("seconds", JSONValue(seconds))])
        case .failed(let trial, let status, let seconds):
            object(
                .failed, trial,
                [.init("code", .integer(Int(status.code.rawValue))), .init("reason", .text(status.message)), .init("seconds", JSONValue(seconds))])
        }
    }

    init(_ value: JSONValue) throws(Status) {
        let reader = try JSONObjectReader(value)
        guard let event = try reader.choice("event", of: Event.self) else { throw reader.failure("event", expected: "the name of an event") }
        let trial = try reader.requiredInteger("trial", in: 0...SweepSpecification.maximumTrialCount)
        func seconds() throws(Status) -> Double {
            guard let number = reader["seconds"]?.double else { throw reader.failure("seconds", expected: "a number") }
            return number
        }
        switch event {
        case .started:
            let value = try reader.required("configuration", expected: "an object of options")
            let options = try JSONObjectReader(value, at: "configuration").options()
            let job = SearchJob(trial: trial, rung: try reader.requiredInteger("rung"), steps: try reader.requiredInteger("steps"))
            self = .started(job, server: try reader.requiredText("server"), configuration: options)
        case .reported: self = .reported(trial: trial, try TrialReport(reader))
        case .ended: self = .ended(trial: trial, try TrialReport(reader), seconds: try seconds())
        case .lost:
            self = .lost(trial: trial, server: try reader.requiredText("server"), reason: try reader.requiredText("reason"), seconds: try seconds())
        case .failed:
            guard let code = Status.Code(rawValue: Int32(try reader.requiredInteger("code", in: 1...16))) else {
                throw reader.failure("code", expected: "the number of a status code")
            }
            self = .failed(trial: trial, Status(code, try reader.requiredText("reason")), seconds: try seconds())
        }
    }
}
