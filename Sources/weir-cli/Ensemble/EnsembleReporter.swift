import Synchronization
import Weir

/// Shows the training of an ensemble's members, and the result.
final class EnsembleReporter: Sendable {
    private struct State {
        var steps: [Int]
        var lastShown = ContinuousClock.now - .seconds(1)
    }
    private let json: Bool
    private let members: [(name: String, stepCount: Int)]
    private let state: Mutex<State>

    init(json: Bool, _ members: [EnsembleMember]) {
        self.json = json
        self.members = members.map { ($0.name, $0.stepCount) }
        state = Mutex(State(steps: [Int](repeating: 0, count: members.count)))
    }

    func event(_ member: Int, _ event: TrainingEvent) {
        switch event {
        case .notice(let text):
            if !json { Terminal.error("weir: \(members[member].name): \(text)") }
        case .step(let step):
            let line = state.withLock { state -> String? in
                state.steps[member] = step.step
                let now = ContinuousClock.now
                let interval: Duration = Terminal.isInteractive ? .milliseconds(50) : .milliseconds(500)
                guard now - state.lastShown >= interval else { return nil }
                state.lastShown = now
                return zip(members, state.steps).map { "\($0.name) \($1)/\($0.stepCount)" }.joined(separator: "  ")
            }
            guard let line, !json else { return }
            if Terminal.isInteractive { Terminal.overwrite(line) } else { Terminal.line(line) }
        case .saved(_, let path):
            guard json else { return }
            Terminal.line(
                "\(JSONValue(members: ["event": .text("trained"), "member": .integer(member + 1), "name": .text(members[member].name), "checkpoint": .text(path)]))"
            )
        case .fold, .placed, .graph, .parameters, .updated, .evaluated: break
        }
    }

    /// Ends the line of a terminal.
    func endLine() { if !json, Terminal.isInteractive { Terminal.line("") } }

    func finish(_ report: EnsembleReport) {
        if json {
            Terminal.line("\(object(report))")
            return
        }
        var rows = [["", "test accuracy", "rows", "seconds", "server"]]
        for score in report.members {
            rows.append(
                [
                    score.name, fixed(score.accuracy, 4), score.trainedRowCount.map(String.init) ?? "", score.seconds.map { fixed($0, 2) } ?? "",
                    score.server?.description ?? "",
                ])
        }
        for score in report.combinations { rows.append([score.name, fixed(score.accuracy, 4), "", "", ""]) }
        for line in columns(rows) { Terminal.line(line) }
        Terminal.line("held-out rows \(report.testRowCount)")
        Terminal.line("model \(report.model), a SavedModel, serves the \(report.served.rawValue)")
        Terminal.line("read again, its probabilities differ by at most \(report.servedDifference)")
    }

    /// Pads columns to equal widths.
    private func columns(_ rows: [[String]]) -> [String] {
        let count = rows.map(\.count).max() ?? 0
        let widths = (0..<count).map { column in rows.map { $0.indices.contains(column) ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            let padded = zip(row, widths).map { $0 + String(repeating: " ", count: $1 - $0.count) }.joined(separator: "  ")
            return String(padded.reversed().drop { $0 == " " }.reversed())
        }
    }

    private func object(_ report: EnsembleReport) -> JSONValue {
        func scores(_ scores: [EnsembleReport.Score]) -> JSONValue {
            .array(
                scores.map { score in
                    JSONValue(members: [
                        "name": .text(score.name), "test_accuracy": JSONValue(score.accuracy), "rows": score.trainedRowCount.map { .integer($0) },
                        "server": score.server.map { .text($0.description) }, "seconds": score.seconds.map { JSONValue($0) },
                    ])
                })
        }
        return JSONValue(members: [
            "event": .text("done"), "members": scores(report.members), "combinations": scores(report.combinations),
            "test_rows": .integer(report.testRowCount), "model": .text(report.model),
            "served": .text(report.served.rawValue), "served_difference": JSONValue(report.servedDifference),
        ])
    }
}
