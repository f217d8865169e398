import Synchronization
import Weir

/// Shows the progress of a comparison: a line for each training when it has ended, and on a terminal its steps before.
final class ComparisonReporter: Sendable {
    private struct State {
        var title = ""
        var lastShown = ContinuousClock.now
    }
    private let json: Bool
    private let count: Int
    private let stepCount: Int
    private let state = Mutex(State())

    /// - Parameters:
    ///   - count: how many trainings there are.
    ///   - stepCount: how many steps each has.
    init(json: Bool, count: Int, stepCount: Int) {
        self.json = json
        self.count = count
        self.stepCount = stepCount
    }

    private var draws: Bool { !json && Terminal.isInteractive }

    func begin(_ training: ComparedTraining, number: Int) {
        let title = "[\(number)/\(count)] \(training.strategy.name), \(training.label)"
        state.withLock { $0.title = title }
        if draws { Terminal.overwrite("\(title): starts") }
    }

    func event(_ event: TrainingEvent) {
        switch event {
        case .notice(let text):
            if draws { Terminal.overwrite("") }
            Terminal.error("weir: \(text)")
        case .step(let step):
            guard draws else { return }
            let now = ContinuousClock.now
            let title = state.withLock { state -> String? in
                guard now - state.lastShown >= .milliseconds(50) else { return nil }
                state.lastShown = now
                return state.title
            }
            if let title { Terminal.overwrite("\(title): step \(step.step)/\(stepCount), loss \(fixed(Double(step.loss), 4))") }
        default: break
        }
    }

    func end(_ entry: StrategyComparison.Entry) {
        if json {
            Terminal.line(entry.json)
            return
        }
        let result =
            switch entry.outcome {
            case .trained(let report):
                ([fixed(report.stepsPerSecond, 1) + " steps/s"] + report.testMetrics.sorted { $0.key < $1.key }.map { "\($0.key) \(fixed($0.value, 4))" }
                    + [fixed(report.seconds, 1) + " s"]).joined(separator: ", ")
            case .inapplicable(let status): "does not apply: \(status.message)"
            case .failed(let status): "failed: \(status.message)"
            }
        if draws { Terminal.overwrite("") }
        Terminal.line("\(state.withLock { $0.title }): \(result)")
    }
}
