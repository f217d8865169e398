extension SweepResult {
    /// The ranked trials as CSV (RFC 4180) with a header: `rank` (empty for trials that failed), `trial`, `rung`, `step`, `runs`,
    /// `seconds`, `parameters.NAME` for each hyper-parameter, `metrics.NAME` for each metric of the last report, `failure`, `checkpoint`.
    public var csv: String {
        let metrics = Set(trials.flatMap { $0.history.last?.metrics.keys.map { $0 } ?? [] }).sorted()
        var rows = [
            ["rank", "trial", "rung", "step", "runs", "seconds"] + parameterNames.map { "parameters.\($0)" } + metrics.map { "metrics.\($0)" }
                + ["failure", "checkpoint"]
        ]
        for (index, trial) in trials.enumerated() {
            rows.append(
                [
                    trial.value == nil ? "" : String(index + 1), String(trial.number), String(trial.rung), String(trial.step), String(trial.runCount),
                    "\(trial.seconds)",
                ] + parameterNames.map { trial.configuration[$0]?.description ?? "" }
                    + metrics.map { name in trial.history.last?.metrics[name].map { "\($0)" } ?? "" }
                    + [trial.failure?.message ?? "", trial.checkpoint ?? ""])
        }
        return rows.map { row in row.map(SweepResult.field).joined(separator: ",") + "\n" }.joined()
    }

    /// A field, in quotes if it has a separator, a quote, a line break, or a space at an end.
    private static func field(_ text: String) -> String {
        let isPlain = text.unicodeScalars.allSatisfy { !",\"\r\n".unicodeScalars.contains($0) }
        if isPlain, text.first != " ", text.last != " " { return text }
        // By scalars: a quote with a combining mark is another character, but still a quote.
        return "\"" + text.unicodeScalars.map { $0 == "\"" ? "\"\"" : String($0) }.joined() + "\""
    }
}
