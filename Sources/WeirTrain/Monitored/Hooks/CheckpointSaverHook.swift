import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor
import WeirWire

/// Saves checkpoints every so many steps or seconds, at the beginning and at the end. TensorFlow's `CheckpointSaverHook`.
///
/// A checkpoint that the session was restored from is not saved again: a crash during that would lose it.
public final class CheckpointSaverHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var saver: Saver?
        var timer: SecondOrStepTimer
        var hasGraph = false
    }
    private let prefix: String
    private let interval: HookInterval
    private let writer: SummaryWriter?
    private let state: Mutex<State>

    /// - Parameters:
    ///   - directory: the folder of the checkpoints.
    ///   - basename: the beginning of their names, before `-` and the number of updates.
    ///   - saver: what saves; nil means the session's.
    ///   - writer: records the graph and the checkpoints in an event file.
    public convenience init(
        _ directory: String, every interval: HookInterval, saver: Saver? = nil, basename: String = "model.ckpt", writer: SummaryWriter? = nil
    ) {
        self.init(directory, every: interval, saver: saver, basename: basename, writer: writer, clock: .continuous)
    }

    init(
        _ directory: String, every interval: HookInterval, saver: Saver? = nil, basename: String = "model.ckpt", writer: SummaryWriter? = nil,
        clock: MonitorClock
    ) {
        prefix = FileSystem.join(directory, basename)
        self.interval = interval
        self.writer = writer
        state = Mutex(State(saver: saver, timer: SecondOrStepTimer(interval, clock: clock)))
    }

    /// Finds the number of updates.
    /// - Throws: `failedPrecondition` when the graph has none; `invalidArgument` for an interval out of its range.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        try interval.check(typeName)
        let reader = try GlobalStepReader(builder, for: typeName)
        state.withLock { $0.globalStep = reader }
    }

    /// Saves the first checkpoint, unless the session was restored from it.
    public func afterCreateSession(_ creation: SessionCreation) async throws(Status) {
        let (saver, isFirst) = state.withLock { state -> (Saver?, Bool) in
            state.saver = state.saver ?? creation.saver
            defer { state.hasGraph = true }
            return (state.saver, !state.hasGraph)
        }
        guard saver != nil else {
            throw .failedPrecondition("\(typeName) has nothing that saves: expected a saver, or variables and the chief's session, found a worker's session")
        }
        if isFirst { try writer?.graph(creation.session.graph) }
        let step = try await globalStep(creation.session)
        if creation.restoredFrom == path(step) { updateTimer(step) } else { try await save(creation.session, step) }
    }

    /// Fetches the number of updates.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        state.withLock { $0.globalStep }?.arguments ?? SessionRunArgs()
    }

    /// Saves if it is time.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (globalStep, timer) = state.withLock { ($0.globalStep, $0.timer) }
        guard let globalStep, timer.shouldTrigger(forStep: try globalStep.value(values) + 1) else { return }
        let step = try await globalStep.read(context.session)
        if timer.shouldTrigger(forStep: step) { try await save(context.session, step) }
    }

    /// Saves the last checkpoint.
    public func end(_ session: Session) async throws(Status) {
        let step = try await globalStep(session)
        if step != state.withLock({ $0.timer.lastTriggeredStep }) { try await save(session, step) }
        try writer?.flush()
    }

    private func path(_ step: Int) -> String { "\(prefix)-\(step)" }
    private func updateTimer(_ step: Int) { state.withLock { _ = $0.timer.updateLastTriggered(step) } }

    private func globalStep(_ session: Session) async throws(Status) -> Int {
        guard let reader = state.withLock({ $0.globalStep }) else { throw .failedPrecondition("\(typeName): begin was not called") }
        return try await reader.read(session)
    }

    private func save(_ session: Session, _ step: Int) async throws(Status) {
        updateTimer(step)
        guard let saver = state.withLock({ $0.saver }) else { return }
        let saved = try await saver.save(session, to: prefix, globalStep: step)
        try writer?.append(Event(step: Int64(step), .session(Event.SessionLog(.checkpoint, checkpointPath: saved))))
    }
}
