import ArgumentParser
import Weir

/// The options of the traced steps of a training.
struct TraceOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Write the traced steps of the last fold to this file, for ui.perfetto.dev or chrome://tracing.", valueName: "FILE"))
    var trace: String?
    @Option(help: ArgumentHelp("Steps of each client to trace: 3, or 3,50. A traced step is slower.", valueName: "LIST")) var traceSteps: String?

    /// How many steps may be traced. A trace has every run of every node.
    private static let limit = 64

    func validate() throws { _ = try parsed() }

    private func parsed() throws -> Set<Int>? {
        guard let traceSteps else { return nil }
        var steps: Set<Int> = []
        for field in traceSteps.split(separator: ",", omittingEmptySubsequences: false) {
            guard let step = Int(field), OptionRange.steps.contains(step) else {
                throw ValidationError("--trace-steps must be numbers of steps from 1 on, such as 3,50; found '\(field)' in '\(traceSteps)'")
            }
            steps.insert(step)
        }
        guard steps.count <= TraceOptions.limit else {
            throw ValidationError("--trace-steps may name at most \(TraceOptions.limit) steps, found \(steps.count)")
        }
        return steps
    }

    /// Sets which steps are traced.
    /// - Throws: `ValidationError` for a step after the last; the error of a file that cannot be written.
    func apply(to options: inout TrainingOptions) throws {
        if let steps = try parsed() {
            if let late = steps.filter({ $0 > options.stepCount }).min() {
                throw ValidationError("--trace-steps must be of the \(options.stepCount) steps of the training, found \(late)")
            }
            options.tracedSteps = steps
        }
        if let trace { try OutputFile.check(trace, option: "--trace") }
    }
}
