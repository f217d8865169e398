import Synchronization
import WeirCluster
public import WeirGraph
public import WeirTensor

/// Lets this client's first step wait until there are so many updates, so that workers start one after another. TensorFlow's
/// `GlobalStepWaiterHook`.
public final class GlobalStepWaiterHook: SessionRunHook {
    private struct State {
        var globalStep: GlobalStepReader?
        var isStarted = false
    }
    private let first: Int
    private let log: @Sendable (String) -> Void
    private let clock: MonitorClock
    private let state = Mutex(State())

    /// - Parameters:
    ///   - step: the number of updates to wait for.
    ///   - log: is told that the client waits, at most once a second.
    public convenience init(waitUntilStep step: Int, log: @escaping @Sendable (String) -> Void = { _ in }) {
        self.init(waitUntilStep: step, clock: .continuous, log: log)
    }

    init(waitUntilStep step: Int, clock: MonitorClock, log: @escaping @Sendable (String) -> Void) {
        first = step
        self.clock = clock
        self.log = log
    }

    /// Finds the number of updates.
    /// - Throws: `failedPrecondition` when the graph has none.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        let reader = try GlobalStepReader(builder, for: typeName)
        state.withLock { $0.globalStep = reader }
    }

    /// Waits, before the first step.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        guard let globalStep = state.withLock({ $0.isStarted ? nil : $0.globalStep }) else { return SessionRunArgs() }
        try await ReadinessWait(clock: clock, pause: .milliseconds(500)).wait {
            "update \(first) before the first step; there are \($0.joined())"
        } until: { () async throws(Status) -> [String] in
            let step = try await globalStep.read(context.session)
            return step >= first ? [] : ["\(step)"]
        } notice: { text, _ in
            log("waiting for \(text)")
        }
        state.withLock { $0.isStarted = true }
        return SessionRunArgs()
    }
}
