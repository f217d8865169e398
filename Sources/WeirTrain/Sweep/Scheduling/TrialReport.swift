import WeirTensor
package import WeirWire

/// What a trial has reached at one step.
public struct TrialReport: Hashable, Sendable {
    /// The number of updates so far.
    public var step: Int
    /// The metrics by name, among them the sweep's objective.
    public var metrics: [String: Double]
    /// The checkpoint of this step, in a path that a later run on any server can read; nil when none was written.
    public var checkpoint: String?

    /// Makes a report.
    public init(step: Int, metrics: [String: Double], checkpoint: String? = nil) {
        self.step = step
        self.metrics = metrics
        self.checkpoint = checkpoint
    }

    /// The members of a JSON object. A metric that is not finite is null.
    package var json: [JSONValue.Member] {
        var members: [JSONValue.Member] = [
            .init("step", .integer(step)), .init("metrics", .object(metrics.sorted { $0.key < $1.key }.map { .init($0.key, JSONValue($0.value)) })),
        ]
        if let checkpoint { members.append(.init("checkpoint", .text(checkpoint))) }
        return members
    }

    init(_ reader: JSONObjectReader) throws(Status) {
        step = try reader.requiredInteger("step")
        metrics = [:]
        let values = try JSONObjectReader(try reader.required("metrics", expected: "an object of numbers"), at: reader.path(of: "metrics"))
        for member in values.members {
            guard let number = member.value == .null ? .nan : member.value.double else { throw values.failure(member.key, expected: "a number or null") }
            metrics[member.key] = number
        }
        checkpoint = try reader.text("checkpoint")
    }
}
