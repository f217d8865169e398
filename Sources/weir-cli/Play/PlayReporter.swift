import Synchronization
import Weir

/// Shows the progress of a training by reinforcement, and its result.
final class PlayReporter: Sendable {
    static let curve = "learning.svg", episode = "episode.svg"
    private let json: Bool
    private let agent: String
    private let stepLimit: Int
    private let directory: String
    private let lastShown = Mutex(ContinuousClock.now - .seconds(1))

    init(json: Bool, agent: String, stepLimit: Int, directory: String) {
        self.json = json
        self.agent = agent
        self.stepLimit = stepLimit
        self.directory = directory
    }

    private var draws: Bool { !json && Terminal.isInteractive }

    func event(_ event: ReinforcementEvent) {
        switch event {
        case .learned(let step): show(step)
        case .evaluated(let evaluation):
            write(
                "step \(evaluation.step)/\(stepLimit) evaluated: mean return \(fixed(evaluation.mean, 1)), least \(fixed(evaluation.least, 0))",
                [
                    "event": .text("evaluated"), "step": .integer(evaluation.step), "mean_return": JSONValue(evaluation.mean),
                    "least_return": JSONValue(evaluation.least),
                ])
        case .saved(let step, let path):
            write("step \(step)/\(stepLimit) saved \(path)", ["event": .text("saved"), "step": .integer(step), "path": .text(path)])
        case .notice(let text):
            if json {
                Terminal.line("\(JSONValue(members: ["event": .text("notice"), "text": .text(text)]))")
            } else {
                if draws { Terminal.overwrite("") }
                Terminal.error("weir: \(text)")
            }
        }
    }

    private func write(_ text: String, _ members: KeyValuePairs<String, JSONValue?>) {
        if draws { Terminal.overwrite("") }
        Terminal.line(json ? "\(JSONValue(members: members))" : text)
    }

    private func show(_ step: ReinforcementStep) {
        let now = ContinuousClock.now
        let interval: Duration = json || !Terminal.isInteractive ? .milliseconds(500) : .milliseconds(50)
        let isDue = lastShown.withLock { last in
            defer { if now - last >= interval { last = now } }
            return now - last >= interval
        }
        guard isDue else { return }
        if json {
            let members: KeyValuePairs<String, JSONValue?> = [
                "event": .text("step"), "step": .integer(step.step), "episodes": .integer(step.episodes),
                "recent_return": step.recentReturn.map { JSONValue($0) }, "updates": .integer(step.updates),
                "loss": step.loss.map { JSONValue(Double($0)) }, "steps_per_s": JSONValue(step.stepsPerSecond), "actors_alive": .integer(step.actorsAlive),
            ]
            Terminal.line("\(JSONValue(members: members))")
            return
        }
        let recent = step.recentReturn.map { fixed($0, 1) } ?? "none yet"
        let text =
            "step \(step.step)/\(stepLimit) episodes \(step.episodes) return \(recent) (last 100) updates \(step.updates) \(fixed(step.stepsPerSecond, 0)) steps/s"
        if draws { Terminal.overwrite(text) } else { Terminal.line(text) }
    }

    /// Shows the report and writes the pictures.
    func finish(_ report: ReinforcementReport) throws {
        let (curve, episode) = (FileSystem.join(directory, PlayReporter.curve), FileSystem.join(directory, PlayReporter.episode))
        let hasLearned = stepLimit > 0
        if json {
            let members: KeyValuePairs<String, JSONValue?> = [
                "event": .text("done"), "agent": .text(report.agent), "steps": .integer(report.stepCount), "best_step": .integer(report.final.step),
                "episodes": .integer(report.episodes.count), "updates": .integer(report.updateCount), "seconds": JSONValue(report.seconds),
                "evaluation_episodes": .integer(report.final.returns.count), "mean_return": JSONValue(report.final.mean),
                "least_return": JSONValue(report.final.least), "lost_actors": .array(report.lostActors.map { .integer($0) }),
            ]
            Terminal.line("\(JSONValue(members: members))")
        } else {
            if draws { Terminal.overwrite("") }
            let count = report.final.returns.count
            let rate = Double(report.stepCount) / max(report.seconds, 1e-9)
            var rows = [
                ["agent", report.agent],
                ["return", "mean \(fixed(report.final.mean, 2)), least \(fixed(report.final.least, 0)), of \(count) episodes with the best network"],
                ["best network", "of step \(report.final.step)"],
                [
                    "training",
                    "\(report.stepCount) steps, \(report.episodes.count) episodes, \(report.updateCount) updates in \(fixed(report.seconds, 2)) s, "
                        + "\(fixed(rate, 0)) steps/s",
                ],
                ["actors lost", report.lostActors.isEmpty ? "none" : report.lostActors.map { "\($0)" }.joined(separator: ", ")],
            ]
            if hasLearned { rows.append(["learning curve", curve]) }
            rows.append(["picture of an episode", episode])
            for line in table(rows) { Terminal.line(line) }
        }
        if hasLearned { try writeFile(curve, report.learningCurve.svg) }
        try writeFile(episode, CartPole.picture(report.observations))
    }

    /// Ends the line of a terminal after a failure.
    func abandon() { if draws { Terminal.line("") } }
}
