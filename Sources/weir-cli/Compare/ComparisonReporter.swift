import Synchronization
import Weir

/// Shows the progress of a comparison: a line for each training when it has ended, and on a terminal its steps before.
final class ComparisonReporter: Sendable {
    private struct State {
        var title = ""
        var stepCount = 0
        var lastShown = ContinuousClock.now
    }
    private let json: Bool
    private let count: Int
    private let state = Mutex(State())

    /// - Parameter count: how many trainings there are.
    init(json: Bool, count: Int) {
        self.json = json
        self.count = count
    }

    private var draws: Bool { !json && Terminal.isInteractive }

    func begin(_ training: ComparedTraining, number: Int) {
        let title = "[\(number)/\(count)] \(training.name)"
        state.withLock { state in
            state.title = title
            state.stepCount = training.options.stepCount
        }
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
            let shown = state.withLock { state -> (title: String, stepCount: Int)? in
                guard now - state.lastShown >= .milliseconds(50) else { return nil }
                state.lastShown = now
                return (state.title, state.stepCount)
            }
            if let shown { Terminal.overwrite("\(shown.title): step \(step.step)/\(shown.stepCount), loss \(fixed(Double(step.loss), 4))") }
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
