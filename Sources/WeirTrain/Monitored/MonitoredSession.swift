import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor
import WeirWire

/// A session that initializes or restores its variables or waits for the chief that does, calls hooks at each step, and begins anew
/// when servers were lost. TensorFlow's `MonitoredTrainingSession`.
///
/// ```swift
/// var options = MonitoredSessionOptions(target: .address("grpc://b:2222"), isChief: true, checkpointDirectory: "run")
/// options.hooks = [StopAtStepHook(lastStep: 1000)]
/// let session = try await MonitoredSession(builder, options)
/// while !session.shouldStop { try await session.run(update.operation) }
/// try await session.close()
/// ```
/// A step that fails with `aborted` or `unavailable` has lost a server. Then the session is closed and a new one made as at the beginning:
/// the chief restores the latest checkpoint, a worker waits until the variables have values. The step runs again. All this may take
/// `MonitoredSessionOptions.maximumWait`, counted from the first failure; then the step throws.
///
/// A training has an end: a hook asks for it, or a step finds that another client has ended it, because a queue that it takes from is
/// closed (`outOfRange`) or, for a worker, one that it adds to (`cancelled`). Such a step returns nil; it is no error.
///
/// Only one step may run at a time. Several clients in one process have a session each, and a graph each.
public final class MonitoredSession: Sendable {
    struct State {
        /// The session; nil while there is none, because servers were lost.
        var session: Session?
        var isRunning = false
        var shouldStop = false
        var isClosed = false
        /// Whether the last step threw.
        var hasFailed = false
    }
    let state: Mutex<State>
    let manager: SessionManager
    let hooks: [any SessionRunHook]
    /// Nil for a master in this process.
    let watch: MasterWatch?
    /// The event file that the options ask for; nil if this client has none.
    private let writer: SummaryWriter?
    var options: MonitoredSessionOptions { manager.options }

    /// Adds the hooks' nodes and what is missing of the scaffold to the graph, and makes the session.
    ///
    /// It waits until the servers answer and, for a worker, until the chief has initialized or restored the variables.
    /// - Throws: `invalidArgument` for options out of their range; what a hook's `begin` throws, or the builder; `deadlineExceeded` after
    ///   `maximumWait`, with what it waited for; `dataLoss` when there are checkpoints but none can be read; `failedPrecondition` when
    ///   variables have no values after initialization.
    public convenience init(_ builder: GraphBuilder, _ options: MonitoredSessionOptions = MonitoredSessionOptions()) async throws(Status) {
        try await self.init(builder, options, clock: .continuous)
    }

    init(_ builder: GraphBuilder, _ options: MonitoredSessionOptions, clock: MonitorClock) async throws(Status) {
        try options.check()
        // Before the file is made.
        if let failure = builder.failure { throw failure }
        let writer = try options.eventDirectory.map { directory throws(Status) in try SummaryWriter(directory: directory) }
        self.writer = writer
        hooks = options.allHooks(writer, clock: clock)
        for hook in hooks { try hook.begin(builder) }
        let scaffold = try options.scaffold.finalized(in: builder, isChief: options.isChief)
        manager = SessionManager(graph: try builder.graph(), options: options, scaffold: scaffold, clock: clock)
        if case .address(let target) = options.target, !target.isEmpty {
            watch = MasterWatch(target: target, limit: options.maximumWait, clock: clock, onNotice: options.onNotice)
        } else {
            watch = nil
        }
        state = Mutex(State())
        do throws(Status) {
            _ = try await retrying { session throws(Status) in session }
        } catch {
            try? writer?.close()
            throw error
        }
    }

    deinit { watch?.stop() }

    /// Runs a program with a session, and closes the session afterwards, also when it throws.
    public static func with<R>(
        _ builder: GraphBuilder, _ options: MonitoredSessionOptions = MonitoredSessionOptions(), _ body: (MonitoredSession) async throws -> R
    ) async throws -> R {
        let session = try await MonitoredSession(builder, options)
        let result: R
        do { result = try await body(session) } catch {
            session.state.withLock { $0.hasFailed = true }
            // The program's error says more.
            try? await session.close()
            throw error
        }
        try await session.close()
        return result
    }

    /// Whether the training has ended: no more steps may run.
    public var shouldStop: Bool { state.withLock { $0.shouldStop || $0.isClosed } }
    /// Ends the training: `shouldStop` becomes true. A step that is running goes on to its end.
    public func requestStop() { state.withLock { $0.shouldStop = true } }
    /// The graph, with what hooks and scaffold have added.
    public var graph: Graph { manager.graph }

    /// Runs a step, with the hooks. The arguments are those of `Session.run`.
    /// - Returns: the values of the fetches; nil if the step found that another client has ended the training.
    /// - Throws: `failedPrecondition` when the training has ended or another step is running; `deadlineExceeded` when servers were lost
    ///   and did not come back within `maximumWait`; any other error of the step or of a hook.
    @discardableResult
    public func run<F: Fetchable>(
        _ fetches: F, feeding feeds: [Output: any TensorConvertible] = [:], targets: [Operation] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> F.Fetched? {
        let step = HookedStep(
            fetches: fetches.fetchNames, feeds: try Session.named(feeds), targets: fetches.targetNames + targets.map(\.name), options: options)
        guard let reply = try await run(step) else { return nil }
        return fetches.value(from: reply.tensors.prefix(step.ownCount).map(\.tensor))
    }

    private func run(_ step: HookedStep) async throws(Status) -> RunStepReply? {
        try begin()
        defer { state.withLock { $0.isRunning = false } }
        do throws(Status) {
            let reply = try await retrying { session throws(Status) in try await self.attempt(step, session) }
            state.withLock { $0.hasFailed = false }
            return reply
        } catch {
            let isEnd = !Task.isCancelled && (error.code == .outOfRange || error.code == .cancelled && (!options.isChief || shouldStop))
            guard isEnd else {
                state.withLock { $0.hasFailed = true }
                throw error
            }
            options.onNotice("the training has ended: \(error.message)")
            requestStop()
            return nil
        }
    }

    private func begin() throws(Status) {
        let problem = state.withLock { state -> String? in
            if state.isClosed { return "The session is closed" }
            if state.shouldStop { return "The training has ended, as shouldStop says" }
            if state.isRunning { return "Another step is running: a MonitoredSession runs one at a time" }
            state.isRunning = true
            return nil
        }
        if let problem { throw .failedPrecondition(problem) }
    }

    private func attempt(_ step: HookedStep, _ session: Session) async throws(Status) -> RunStepReply {
        let stop = SharedFlag()
        let context = SessionRunContext(session: session, fetches: step.fetches, feeds: step.feeds.map(\.name), stop: stop)
        var step = step
        for (position, hook) in hooks.enumerated() { try step.add(try await hook.beforeRun(context), of: hook, at: position) }
        let reply = try await session.run(fetches: step.fetches, feeds: step.feeds, targets: step.targets, options: step.options)
        for (position, hook) in hooks.enumerated() { try await hook.afterRun(context, step.values(reply, ofHookAt: position)) }
        if stop.isSet { requestStop() }
        return reply
    }

    /// Calls the hooks' `end`, unless the last step failed, and closes the session. Variables stay on the servers. A second call does
    /// nothing.
    /// - Throws: `failedPrecondition` when a step is running; the first error of a hook or of the event file, after all has been closed.
    public func close() async throws(Status) {
        let (isRunning, before) = state.withLock { state -> (Bool, State) in
            let before = state
            if !state.isRunning {
                state.isClosed = true
                state.session = nil
            }
            return (state.isRunning, before)
        }
        if isRunning { throw .failedPrecondition("close: a step is running") }
        if before.isClosed { return }
        defer { watch?.stop() }
        var failure: Status?
        if let session = before.session, !before.hasFailed {
            for hook in hooks {
                do throws(Status) { try await watched { () throws(Status) in try await hook.end(session) } } catch { failure = failure ?? error }
            }
        }
        if let session = before.session { await manager.close(session) }
        do throws(Status) { try writer?.close() } catch { failure = failure ?? error }
        if let failure { throw failure }
    }
}
