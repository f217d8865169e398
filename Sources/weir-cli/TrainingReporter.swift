import Glibc
import Synchronization
import Weir

/// Shows the progress of a training as a progress bar, as lines or as JSON. Writes event files, and images of the loss and of a step.
final class TrainingReporter: Sendable {
    /// The seconds between two steps that are shown: as JSON, as lines, and in the bar.
    static let jsonInterval = 0.1, lineInterval = 0.5, barInterval = 0.05

    private struct State {
        var lastShown = ContinuousClock.now
        var lastStep = -1
        var fold = 0
        var hasLostEvents = false
        /// The fold in which the loss was last no number.
        var divergedFold = -1
        /// What else was written, and where.
        var written: [[String]] = []
        /// Texts that the trained model made, with their titles.
        var shown: [(title: String, text: String)] = []
    }
    private let json: Bool
    private let interval: Duration
    private let stepCount: Int
    private let foldCount: Int
    private let directory: String
    /// The file for the traced steps; nil if none is asked for.
    private let trace: String?
    private let strategy: String
    private let summaries: SummaryWriter
    private let ledger: LedgerFile?
    private let state = Mutex(State())

    /// - Parameter interval: the least seconds between two steps that are shown; nil means those of the way in which they are.
    init(
        json: Bool, interval: Double? = nil, stepCount: Int, foldCount: Int, directory: String, ledger: String? = nil, trace: String? = nil, strategy: String
    ) throws {
        self.json = json
        let usual = json ? TrainingReporter.jsonInterval : Terminal.isInteractive ? TrainingReporter.barInterval : TrainingReporter.lineInterval
        self.interval = .seconds(interval ?? usual)
        self.stepCount = stepCount
        self.foldCount = foldCount
        self.directory = directory
        self.trace = trace
        self.strategy = strategy
        self.ledger = try ledger.map { path throws(Status) in try LedgerFile(path) }
        do throws(Status) {
            summaries = try SummaryWriter(directory: directory)
        } catch {
            throw Status(error.code, "--out must be a folder that exists or can be created, and in which files can be created; found \(error.message)")
        }
    }

    func event(_ event: TrainingEvent) {
        switch event {
        case .placed, .graph, .parameters: break
        case .fold(let fold):
            state.withLock { state in
                state.fold = fold
                state.lastStep = -1
            }
            if json {
                Terminal.line("{\"event\":\"fold\",\"fold\":\(fold + 1),\"of\":\(foldCount)}")
            } else if fold > 0, Terminal.isInteractive {
                Terminal.line("")
            }
        case .notice(let text):
            if json {
                Terminal.line("{\"event\":\"notice\",\"text\":\(quoted(text))}")
            } else {
                if Terminal.isInteractive { Terminal.overwrite("") }
                Terminal.error("weir: \(text)")
            }
        case .evaluated(let evaluation): show(evaluation)
        case .saved(let step, let path):
            let fold = state.withLock { $0.fold } + 1
            if json {
                Terminal.line("{\"event\":\"saved\",\"fold\":\(fold),\"step\":\(step),\"path\":\(quoted(path))}")
            } else if !Terminal.isInteractive {
                Terminal.line("fold \(fold)/\(foldCount) step \(step)/\(stepCount) saved \(path)")
            }
        case .updated(let entry): ledger?.write(entry, fold: state.withLock { $0.fold } + 1)
        case .step(let step):
            let fold = state.withLock { $0.fold }
            record("fold_\(fold + 1)/loss", Double(step.loss), step: step.step)
            if !step.loss.isFinite { diverged(step) }
            show(step, fold + 1)
        }
    }

    /// Says once in a fold that the loss is no number.
    private func diverged(_ step: TrainingStep) {
        let isFirst = state.withLock { state in
            defer { state.divergedFold = state.fold }
            return state.divergedFold != state.fold
        }
        guard isFirst else { return }
        event(
            .notice(
                "the loss of step \(step.step) is \(step.loss.isNaN ? "not a number" : "infinite"): training diverges, and its results say nothing; try a smaller --learning-rate"
            ))
    }

    /// Adds a point to a curve of the event file. Reports the first failure: training continues without the file.
    private func record(_ tag: String, _ value: Double, step: Int) {
        do { try summaries.scalar(tag, value, step: step) } catch {
            let isFirst = state.withLock { state in
                defer { state.hasLostEvents = true }
                return !state.hasLostEvents
            }
            if isFirst { self.event(.notice("the event file is incomplete: \(error.message)")) }
        }
    }

    private func show(_ evaluation: TrainingEvaluation) {
        let fold = state.withLock { $0.fold } + 1
        let metrics = [("loss", evaluation.testLoss)] + evaluation.testMetrics.sorted { $0.key < $1.key }.filter { $0.key != "loss" }
        for (name, value) in metrics { record("fold_\(fold)/test_\(name)", value, step: evaluation.step) }
        if json {
            let values = metrics.map { "\(quoted("test_\($0.0)")):\($0.1.isFinite ? "\($0.1)" : "null")" }.joined(separator: ",")
            Terminal.line("{\"event\":\"evaluated\",\"fold\":\(fold),\"step\":\(evaluation.step),\(values)}")
        } else if !Terminal.isInteractive {
            let values = metrics.map { "test \($0.0) \(fixed($0.1, 4))" }.joined(separator: " ")
            Terminal.line("fold \(fold)/\(foldCount) step \(evaluation.step)/\(stepCount) \(values)")
        }
    }

    private func show(_ step: TrainingStep, _ fold: Int) {
        let now = ContinuousClock.now
        let isDue = state.withLock { state -> Bool in
            let isDue = step.step != state.lastStep && (now - state.lastShown >= interval || step.step >= stepCount)
            if isDue {
                state.lastShown = now
                state.lastStep = step.step
            }
            return isDue
        }
        guard isDue else { return }
        let loss = fixed(Double(step.loss), 4), rate = fixed(step.stepsPerSecond, 0)
        if json {
            Terminal.line(
                "{\"event\":\"step\",\"fold\":\(fold),\"step\":\(step.step),\"loss\":\(step.loss.isFinite ? "\(step.loss)" : "null"),\"worker\":\(step.worker),"
                    + "\"steps_per_s\":\(rate),\"workers_alive\":\(step.workersAlive)}")
        } else if Terminal.isInteractive {
            let width = 30
            let filled = min(width, width * step.step / max(stepCount, 1))
            let bar = String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled)
            Terminal.overwrite("\(bar) fold \(fold)/\(foldCount)  step \(step.step)/\(stepCount)  loss \(loss)  \(rate) steps/s  workers \(step.workersAlive)")
        } else {
            Terminal.line("fold \(fold)/\(foldCount) step \(step.step)/\(stepCount) loss \(loss) steps/s \(rate) workers \(step.workersAlive)")
        }
    }

    /// Records that a file was written, for the report.
    func wrote(_ what: String, _ path: String) {
        state.withLock { $0.written.append([what, path]) }
        if json { Terminal.line("{\"event\":\"written\",\"what\":\(quoted(what)),\"path\":\(quoted(path))}") }
    }

    /// Records a text that the trained model made, to be shown after the report.
    func show(_ title: String, _ text: String) {
        state.withLock { $0.shown.append((title, text)) }
        if json { Terminal.line("{\"event\":\"result\",\"what\":\(quoted(title)),\"text\":\(quoted(text))}") }
    }

    func finish(_ report: CrossValidationReport) throws {
        for (index, fold) in report.folds.enumerated() {
            for (part, metrics) in [("train", fold.trainMetrics), ("test", fold.testMetrics)] {
                for (name, value) in metrics.sorted(by: { $0.key < $1.key }) { record("fold_\(index + 1)/\(part)_\(name)", value, step: fold.stepCount) }
            }
        }
        closeSummaries()
        for (index, fold) in report.folds.enumerated() { if let totals = fold.ledger { ledger?.write(totals, fold: index + 1) } }
        // Files that cannot be written do not hide the report.
        var failure: (any Error)?
        var files: [[String]] = []
        func attempt(_ write: () throws -> [[String]]) { do { files += try write() } catch { failure = failure ?? error } }
        attempt {
            try ledger?.close()
            return []
        }
        attempt {
            let curve = "\(directory)/loss.svg"
            try writeFile(curve, LossCurve(points: report.meanLosses).svg)
            return [["loss curve", curve]]
        }
        attempt { try writeTraces(report.folds.last?.timelines ?? []) }
        let summary = report.folds.last.map { TrainingSummary($0) }
        let rate = SampleStatistics(report.folds.map(\.stepsPerSecond))
        let updates = report.updatesByWorker.map(String.init)
        let staleness = report.staleness.isEmpty ? nil : SampleStatistics(counts: report.staleness)
        if json {
            let metrics = report.metricNames.map { name in
                let test = report.testMetric(name), byFold = report.folds.map { fixed($0.testMetrics[name] ?? .nan, 4) }.joined(separator: ",")
                return [
                    ("train_\(name)", fixed(report.trainMetric(name).mean, 4)), ("test_\(name)", fixed(test.mean, 4)),
                    ("test_\(name)_deviation", fixed(test.deviation, 4)), ("test_\(name)_by_fold", "[\(byFold)]"),
                ].map { "\(quoted($0.0)):\($0.1)," }.joined()
            }.joined()
            let counts = report.staleness.sorted { $0.key < $1.key }.map { "\"\($0.key)\":\($0.value)" }.joined(separator: ",")
            let stale = staleness.map {
                ",\"staleness\":{\"mean\":\(fixed($0.mean, 3)),\"maximum\":\(fixed($0.greatest, 0)),\"updates\":{\(counts)}}"
            }
            let dropped = report.droppedGradients.map { "\($0)" } ?? "null"
            Terminal.line(
                "{\"event\":\"done\",\(metrics)"
                    + "\"steps_per_s\":\(fixed(rate.mean, 1)),\"updates_by_worker\":[\(updates.joined(separator: ","))],"
                    + "\"dropped_gradients\":\(dropped),\"bytes_moved\":\(report.bytesMoved)\(stale ?? "")"
                    + (summary.map { ",\"summary\":\($0.json)" } ?? "") + "}")
            if let failure { throw failure }
            return
        }
        if Terminal.isInteractive { Terminal.line("") }
        var rows: [[String]] = []
        for name in report.metricNames {
            let values = report.folds.map { $0.testMetrics[name] ?? .nan }
            let test = report.testMetric(name), train = report.trainMetric(name)
            let folds = values.map { fixed($0, 3) }.joined(separator: ", ")
            rows.append(["test \(name)", "\(fixed(test.mean, 4)) ± \(fixed(test.deviation, 4)), mean of \(values.count) folds: \(folds)"])
            rows.append(["train \(name)", "\(fixed(train.mean, 4)) ± \(fixed(train.deviation, 4))"])
        }
        rows += [
            ["rows", "\(report.testRowCount), each tested once, by a network that had not seen it"],
            ["steps", "\(report.stepCount) in \(fixed(report.seconds, 2)) s, \(fixed(rate.mean, 0)) steps/s"],
            ["gradients by worker", updates.joined(separator: ", ")],
            ["gradients dropped", report.droppedGradients.map { "\($0)" } ?? "not known without --ledger"],
            ["bytes moved", "\(report.bytesMoved)"],
        ]
        if let staleness { rows.append(["staleness", "mean \(fixed(staleness.mean, 2)), maximum \(fixed(staleness.greatest, 0)) updates by others"]) }
        rows += (summary?.rows ?? []) + [["event files", directory]] + files + state.withLock { $0.written }
        for line in table(rows) { Terminal.line(line) }
        for (title, text) in state.withLock({ $0.shown }) { Terminal.line("\n\(title):\n\(text)") }
        if let failure { throw failure }
    }

    /// Writes the picture of the first traced step, and the trace of all if it is asked for.
    /// - Returns: for each file, what it is and its path.
    private func writeTraces(_ timelines: [(step: Int, timeline: StepTimeline)]) throws -> [[String]] {
        guard let first = timelines.first else {
            if let trace { event(.notice("--trace: no client reached a step that is traced; \(trace) is not written")) }
            return []
        }
        let picture = "\(directory)/step.svg"
        try writeFile(picture, first.timeline.svg(title: "\(strategy), step \(first.step)"))
        guard let trace else { return [["picture of a step", picture]] }
        // One clock, so one timeline.
        try writeFile(trace, StepTimeline(merging: timelines.map(\.timeline)).chromeTrace())
        return [["picture of a step", picture], ["trace", trace]]
    }

    /// Closes the event file. A failure does not hide the report, and is reported once.
    private func closeSummaries() {
        do { try summaries.close() } catch {
            if !state.withLock({ $0.hasLostEvents }) { event(.notice("the event file is incomplete: \(error.message)")) }
        }
    }

    /// Ends the report after a failure. The recorded events are kept.
    func abandon() {
        closeSummaries()
        if !json, Terminal.isInteractive { Terminal.line("") }
    }
}

/// Formats a number with `digits` digits after the decimal point, or with all its digits if it is very large; `null` if it is not
/// finite.
func fixed(_ value: Double, _ digits: Int) -> String {
    guard value.isFinite else { return "null" }
    let scale = pow(10, Double(digits))
    // Larger numbers have no digits to round; a diverging loss may be one.
    guard abs(value) * scale < 1e18 else { return "\(value)" }
    let scaled = Int((abs(value) * scale).rounded())
    let whole = scaled / Int(scale)
    let sign = value < 0 && scaled > 0 ? "-" : ""
    guard digits > 0 else { return "\(sign)\(whole)" }
    let rest = String(scaled % Int(scale))
    return "\(sign)\(whole)." + String(repeating: "0", count: digits - rest.count) + rest
}

/// A text as a JSON string.
func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
        switch scalar {
        case "\"": result += "\\\""
        case "\\": result += "\\\\"
        case "\n": result += "\\n"
        case _ where scalar.value < 32: result += " "
        default: result.unicodeScalars.append(scalar)
        }
    }
    return result + "\""
}

func writeFile(_ path: String, _ text: String) throws {
    guard let file = fopen(path, "w") else {
        throw Status(.permissionDenied, "cannot write \(path): \(String(cString: strerror(errno)))")
    }
    defer { fclose(file) }
    guard fputs(text, file) >= 0 else { throw Status.dataLoss("cannot write \(path): \(String(cString: strerror(errno)))") }
}
