import Synchronization
import Weir

/// Shows the progress of a sweep: one line on a terminal, lines on a pipe, or JSON.
final class SweepReporter: Sendable {
    private struct State {
        var configurations: [Int: [String: ParameterValue]] = [:]
        var running: [Int: String] = [:]
        var ended: [Int: Double] = [:]
        var failed: Set<Int> = []
    }
    private let json: Bool
    private let specification: SweepSpecification
    private let serverCount: Int
    private let state = Mutex(State())

    init(json: Bool, _ specification: SweepSpecification, serverCount: Int) {
        self.json = json
        self.specification = specification
        self.serverCount = serverCount
    }

    func event(_ event: SweepEvent) {
        switch event {
        case .resumed(let ended, let failed):
            state.withLock { state in
                state.ended = ended
                state.failed = Set(failed)
            }
            notice("goes on with \(ended.count + failed.count) of \(specification.trialCount) trials done")
        case .started(let trial, _, _, let server, let configuration):
            state.withLock { state in
                state.configurations[trial] = configuration
                state.running[trial] = server
            }
        case .reported: return
        case .ended(let trial, let report, let value):
            let (server, configuration) = state.withLock { state in
                state.ended[trial] = value
                return (state.running.removeValue(forKey: trial), state.configurations[trial])
            }
            show(
                trial, server, configuration, "\(specification.objective.metric) \(fixed(value, 4)) at step \(report.step)",
                [
                    .init("value", JSONValue(value)), .init("step", .integer(report.step)),
                    .init("metrics", .object(report.metrics.sorted { $0.key < $1.key }.map { .init($0.key, JSONValue($0.value)) })),
                ])
        case .failed(let trial, let status):
            let (server, configuration) = state.withLock { state in
                state.failed.insert(trial)
                return (state.running.removeValue(forKey: trial), state.configurations[trial])
            }
            show(trial, server, configuration, "failed: \(status.message)", [.init("failure", .text(status.message))])
        case .lost(let trial, let server, let reason):
            state.withLock { _ = $0.running.removeValue(forKey: trial) }
            notice("\(server) is lost: \(reason); trial \(trial) goes on from its last checkpoint when a server is free")
        case .notice(let text): notice(text)
        }
        if !json, Terminal.isInteractive { Terminal.overwrite(line) }
    }

    /// Shows how a run of a trial ended.
    private func show(_ trial: Int, _ server: String?, _ configuration: [String: ParameterValue]?, _ outcome: String, _ members: [JSONValue.Member]) {
        let values = specification.parameters.compactMap { parameter in configuration?[parameter.name].map { (parameter.name, $0) } }
        if json {
            let head: [JSONValue.Member] = [
                .init("event", .text("trial")), .init("trial", .integer(trial)), .init("server", server.map { .text($0) } ?? .null),
                .init("parameters", .object(values.map { .init($0.0, $0.1.json) })),
            ]
            Terminal.line("\(JSONValue.object(head + members))")
        } else if !Terminal.isInteractive {
            Terminal.line("trial \(trial) \(values.map { "\($0.0)=\($0.1)" }.joined(separator: " ")) \(outcome); \(line)")
        }
    }

    private func notice(_ text: String) {
        if json {
            Terminal.line("\(JSONValue.object([.init("event", .text("notice")), .init("text", .text(text))]))")
        } else {
            if Terminal.isInteractive { Terminal.overwrite("") }
            Terminal.error("weir: \(text)")
        }
    }

    /// The state on one line.
    private var line: String {
        let state = state.withLock { $0 }
        let done = state.ended.keys.filter { state.running[$0] == nil }.count
        let isMinimum = specification.objective.goal == .min
        let best = state.ended.min { isMinimum ? $0.value < $1.value : $0.value > $1.value }
        return "trials \(done)/\(specification.trialCount) done, \(state.running.count) running, \(state.failed.count) failed"
            + (best.map { "  best \(fixed($0.value, 4)) (trial \($0.key))" } ?? "")
            + "  servers \(min(state.running.count, serverCount))/\(serverCount) busy"
    }

    /// Ends the line of a terminal.
    func endLine() { if !json, Terminal.isInteractive { Terminal.line("") } }

    func finish(_ result: SweepResult, directory: String) {
        let files = SweepResult.fileNames.map { "\(directory)/\($0)" }
        if json {
            let reader: [JSONValue.Member] = if case .object(let members) = result.json { members } else { [] }
            let head: [JSONValue.Member] = [
                .init("event", .text("done")), .init("best_trial", result.best.map { .integer($0.number) } ?? .null),
                .init("best_checkpoint", result.best?.checkpoint.map { .text($0) } ?? .null),
            ]
            Terminal.line("\(JSONValue.object(head + reader))")
            return
        }
        for line in result.table.split(separator: "\n") { Terminal.line(String(line)) }
        // The table says so when nothing was left to run.
        var rows = result.hadNothingToRun ? [] : [["servers busy", "\(fixed(result.busyShare * 100, 1)) % of \(fixed(result.seconds, 1)) s"]]
        if let best = result.best { rows.append(["best", "trial \(best.number), checkpoint \(best.checkpoint ?? "not kept")"]) }
        rows.append(["files", files.joined(separator: ", ")])
        for line in table(rows) { Terminal.line(line) }
    }
}
