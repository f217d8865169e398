import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor

/// Writes the updates per second, of all workers together, every so many steps or seconds. TensorFlow's `StepCounterHook`.
public final class StepCounterHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var timer: SecondOrStepTimer
    }
    private let interval: HookInterval
    private let writer: SummaryWriter?
    private let log: (@Sendable (_ tag: String, _ stepsPerSecond: Double) -> Void)?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - writer: gets the curve `global_step/sec`. The hook does not close it.
    ///   - log: is told each point of the curve.
    public convenience init(
        every interval: HookInterval = .steps(100), writer: SummaryWriter? = nil,
        log: (@Sendable (_ tag: String, _ stepsPerSecond: Double) -> Void)? = nil
    ) {
        self.init(every: interval, writer: writer, log: log, clock: .continuous)
    }

    init(
        every interval: HookInterval, writer: SummaryWriter? = nil, log: (@Sendable (_ tag: String, _ stepsPerSecond: Double) -> Void)? = nil,
        clock: MonitorClock
    ) {
        self.interval = interval
        self.writer = writer
        self.log = log
        state = Mutex(State(timer: SecondOrStepTimer(interval, clock: clock)))
    }

    /// Finds the number of updates.
    /// - Throws: `failedPrecondition` when the graph has none; `invalidArgument` for an interval out of its range, or nothing that is told.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        try interval.check(typeName)
        if writer == nil, log == nil { throw .invalidArgument("\(typeName): expected a writer or a closure that is told the speed, found neither") }
        let reader = try GlobalStepReader(builder, for: typeName)
        state.withLock { $0.globalStep = reader }
    }

    /// Fetches the number of updates.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        state.withLock { $0.globalStep }?.arguments ?? SessionRunArgs()
    }

    /// Writes the speed if it is time.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (globalStep, timer) = state.withLock { ($0.globalStep, $0.timer) }
        guard let globalStep, timer.shouldTrigger(forStep: try globalStep.value(values) + 1) else { return }
        let step = try await globalStep.read(context.session)
        guard timer.shouldTrigger(forStep: step), let elapsed = state.withLock({ $0.timer.updateLastTriggered(step) }) else { return }
        let rate = Double(elapsed.steps) / max(elapsed.seconds, 1e-9)
        let tag = "\(globalStep.variable.name)/sec"
        try writer?.scalar(tag, rate, step: step)
        log?(tag, rate)
    }

    /// Writes what is buffered to the file.
    public func end(_ session: Session) async throws(Status) { try writer?.flush() }
}
