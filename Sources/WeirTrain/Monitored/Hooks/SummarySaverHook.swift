import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor
import WeirWire

/// Writes a graph's summaries every so many steps or seconds, first after the first step. TensorFlow's `SummarySaverHook`.
public final class SummarySaverHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var summaries: [Output]?
        var timer: SecondOrStepTimer
        /// The number of updates after the next step; nil before the first.
        var nextStep: Int?
    }
    private let interval: HookInterval
    private let writer: SummaryWriter
    private let state: Mutex<State>

    /// - Parameters:
    ///   - writer: writes the event file. The hook does not close it.
    ///   - summaries: what is written, such as `GraphBuilder.scalarSummary` returns; nil means all that were added to the graph.
    public convenience init(every interval: HookInterval, writer: SummaryWriter, _ summaries: [Output]? = nil) {
        self.init(every: interval, writer: writer, summaries, clock: .continuous)
    }

    init(every interval: HookInterval, writer: SummaryWriter, _ summaries: [Output]? = nil, clock: MonitorClock) {
        self.interval = interval
        self.writer = writer
        state = Mutex(State(summaries: summaries, timer: SecondOrStepTimer(interval, clock: clock)))
    }

    /// Finds the number of updates and the summaries.
    /// - Throws: `failedPrecondition` when the graph has no number of updates; `invalidArgument` when a summary is no text, or for an interval out of its range.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        try interval.check(typeName)
        let reader = try GlobalStepReader(builder, for: typeName)
        let summaries = state.withLock { $0.summaries } ?? builder.mergeAllSummaries().map { [$0] } ?? []
        for summary in summaries where summary.dtype != .string { throw .invalidArgument("\(typeName): expected summaries, found \(summary)") }
        state.withLock { ($0.globalStep, $0.summaries) = (reader, summaries) }
    }

    /// Fetches the summaries if it is time.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        state.withLock { state in
            var arguments = state.globalStep?.arguments ?? SessionRunArgs()
            if state.nextStep.map({ state.timer.shouldTrigger(forStep: $0) }) ?? true {
                for (number, summary) in (state.summaries ?? []).enumerated() { arguments.fetches["\(number)"] = summary }
            }
            return arguments
        }
    }

    /// Writes what was fetched.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (reader, isFirst) = state.withLock { ($0.globalStep, $0.nextStep == nil) }
        guard let reader else { return }
        let summaries = values.results.filter { $0.key != GlobalStepReader.label }.sorted { $0.key < $1.key }.map(\.value)
        let isDue = isFirst || !summaries.isEmpty
        let step = isDue ? try await reader.read(context.session) : try reader.value(values) + 1
        // It tells readers that what an earlier run wrote of later steps does not count.
        if isFirst { try writer.append(Event(step: Int64(step), .session(Event.SessionLog(.start)))) }
        for summary in summaries { try writer.summary(summary, step: step) }
        state.withLock { state in
            if isDue { state.timer.updateLastTriggered(step) }
            state.nextStep = step + 1
        }
    }

    /// Writes what is buffered to the file.
    public func end(_ session: Session) async throws(Status) { try writer.flush() }
}
