import WeirTensor

extension StrategyComparison {
    /// One JSON object for each entry, in their order.
    public var jsonLines: [String] { entries.map(\.json) }
    /// The entries as a JSON array, one object a line.
    public var json: String { "[\n" + jsonLines.joined(separator: ",\n") + "\n]\n" }
}

extension StrategyComparison.Entry {
    /// The entry as a JSON object on one line. `outcome` is `trained`, `inapplicable` or `failed`.
    public var json: String {
        var members = network.map { [(name: "network", value: JSONText.string($0))] } ?? []
        members += [("strategy", JSONText.string(strategy)), ("cluster", JSONText.string(cluster))]
        switch outcome {
        case .inapplicable(let status): members += [("outcome", JSONText.string("inapplicable"))] + StrategyComparison.Entry.members(status)
        case .failed(let status): members += [("outcome", JSONText.string("failed"))] + StrategyComparison.Entry.members(status)
        case .trained(let report):
            members += [
                ("outcome", JSONText.string("trained")), ("steps", "\(report.stepCount)"), ("seconds", JSONText.number(report.seconds)),
                ("steps_per_s", JSONText.number(report.stepsPerSecond)), ("rows_per_s", JSONText.number(report.samplesPerSecond)),
                ("bytes_per_step", "\(report.bytesPerStep)"), ("accuracy", JSONText.number(report.testAccuracy)),
                ("metrics", JSONText.object(report.testMetrics.sorted { $0.key < $1.key }.map { ($0.key, JSONText.number($0.value)) })),
                ("dropped_gradients", report.droppedGradients.map { "\($0)" } ?? "null"),
                ("staleness", JSONText.object(report.staleness.sorted { $0.key < $1.key }.map { ("\($0.key)", "\($0.value)") })),
                ("memory_bytes", JSONText.object(memory.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") })),
                ("summary", TrainingSummary(report).json),
            ]
        }
        return JSONText.object(members)
    }

    private static func members(_ status: Status) -> [(name: String, value: String)] {
        [("code", JSONText.string("\(status.code)")), ("reason", JSONText.string(status.message))]
    }
}
