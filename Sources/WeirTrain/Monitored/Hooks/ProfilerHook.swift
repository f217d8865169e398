import Synchronization
import WeirCluster
public import WeirGraph
public import WeirTensor
import WeirWire

/// Writes what the devices did in a step, every so many steps or seconds, to files `timeline-STEP.json`, which ui.perfetto.dev and
/// chrome://tracing show. TensorFlow's `ProfilerHook`.
public final class ProfilerHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var timer: SecondOrStepTimer
        /// The number of updates after the next step; nil before the first, which is not traced.
        var nextStep: Int?
    }
    private let interval: HookInterval
    private let directory: String
    private let writer: SummaryWriter?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - directory: the folder of the files; the empty text means the current one.
    ///   - writer: records in an event file what was recorded of the steps, as `step_STEP`. The hook does not close it.
    public convenience init(every interval: HookInterval, directory: String = "", writer: SummaryWriter? = nil) {
        self.init(every: interval, directory: directory, writer: writer, clock: .continuous)
    }

    init(every interval: HookInterval, directory: String, writer: SummaryWriter? = nil, clock: MonitorClock) {
        self.interval = interval
        self.directory = directory
        self.writer = writer
        state = Mutex(State(timer: SecondOrStepTimer(interval, clock: clock)))
    }

    /// Finds the number of updates, and makes the folder.
    /// - Throws: `failedPrecondition` when the graph has none; `invalidArgument` for an interval out of its range; the error of a folder.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        try interval.check(typeName)
        let reader = try GlobalStepReader(builder, for: typeName)
        try FileSystem.createDirectory(directory)
        state.withLock { $0.globalStep = reader }
    }

    /// Has the step traced if it is time.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        state.withLock { state in
            var arguments = state.globalStep?.arguments ?? SessionRunArgs()
            arguments.options.traces = state.nextStep.map { state.timer.shouldTrigger(forStep: $0) } ?? false
            return arguments
        }
    }

    /// Writes the trace.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (reader, isFirst, isDue) = state.withLock { state in
            (state.globalStep, state.nextStep == nil, state.nextStep.map { state.timer.shouldTrigger(forStep: $0) } ?? false)
        }
        guard let reader else { return }
        let before = try reader.value(values)
        var step = before + 1
        // Another hook may have had the step traced too; that is not this one's time.
        if isDue, let metadata = values.metadata {
            step = try await reader.read(context.session)
            let text = StepTimeline(metadata).chromeTrace()
            try AtomicFile.write(Array(text.utf8), to: FileSystem.join(directory, "timeline-\(step).json"))
            try writer?.runMetadata(metadata, tag: "step_\(step)", step: step)
        }
        state.withLock { [step] state in
            // The first time is an interval after the first step.
            if isFirst { state.timer.updateLastTriggered(before) } else if isDue { state.timer.updateLastTriggered(step) }
            state.nextStep = step + 1
        }
    }
}
