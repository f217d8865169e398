import WeirTensor

extension SweepResult {
    /// The ranked trials as text in columns: rank, trial, each hyper-parameter, the objective, the step, the number of runs, and the
    /// reason of a failure. Then a line for each server with its busy share, or that nothing was left to run.
    public var table: String {
        var rows = [["rank", "trial"] + parameterNames + [objective.metric, "step", "runs", ""]]
        for (index, trial) in trials.enumerated() {
            rows.append(
                [trial.value == nil ? "-" : String(index + 1), String(trial.number)] + parameterNames.map { trial.configuration[$0].map(shown) ?? "" }
                    + [trial.value.map(shown) ?? "failed", String(trial.step), String(trial.runCount), line(trial.failure?.message ?? "")])
        }
        // The shares of a sweep that only read what was done would be 0.
        let usage =
            hadNothingToRun
            ? ["nothing left to run"]
            : servers.map { server in
                "\(server.server): busy \(percent(server.busyShare)), \(server.runCount) runs"
                    + (server.lossCount == 0 ? "" : ", lost \(server.lossCount) time\(server.lossCount == 1 ? "" : "s")")
            }
        return (aligned(rows) + usage).map { $0 + "\n" }.joined()
    }

    /// Pads the columns to equal widths. Numbers are not aligned at their points: columns are read from the left.
    private func aligned(_ rows: [[String]]) -> [String] {
        let widths = (0..<(rows.map(\.count).max() ?? 0)).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var text = ""
            for (column, field) in row.enumerated() { text += field + String(repeating: " ", count: widths[column] - field.count + 2) }
            return String(text.reversed().drop { $0 == " " }.reversed())
        }
    }

    private func shown(_ value: ParameterValue) -> String {
        if case .number(let number) = value { shown(number) } else { line(value.description) }
    }

    private func shown(_ value: Double) -> String { "\(value.rounded(digits: 6))" }

    private func percent(_ share: Double) -> String { "\((share * 1000).rounded() / 10) %" }

    /// A text on one line.
    private func line(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }
}
