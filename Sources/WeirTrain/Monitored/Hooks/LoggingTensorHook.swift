import Synchronization
public import WeirCluster
public import WeirGraph
public import WeirTensor

/// Tells the values of tensors every so many steps of this client or seconds, first after the first step, or at the end. TensorFlow's
/// `LoggingTensorHook`.
///
/// ```swift
/// LoggingTensorHook(["loss": loss], every: .steps(100)) { print($0) }   // loss = 0.25 (1.3 s)
/// ```
public final class LoggingTensorHook: SessionRunHook {
    private struct State {
        var timer: SecondOrStepTimer
        /// The number of this client's steps.
        var count = 0
    }
    private let tensors: KeyValuePairs<String, Output>
    private let interval: HookInterval?
    private let atEnd: Bool
    private let log: @Sendable (String) -> Void
    private let state: Mutex<State>

    /// - Parameters:
    ///   - tensors: what is told, by names of the hook's own, in this order.
    ///   - interval: nil tells only at the end.
    ///   - atEnd: whether the tensors are computed once more at the end. Then that must have no effect, such as taking from a queue.
    ///   - log: is told a line.
    public convenience init(
        _ tensors: KeyValuePairs<String, Output>, every interval: HookInterval?, atEnd: Bool = false, log: @escaping @Sendable (String) -> Void
    ) {
        self.init(tensors, every: interval, atEnd: atEnd, clock: .continuous, log: log)
    }

    init(
        _ tensors: KeyValuePairs<String, Output>, every interval: HookInterval?, atEnd: Bool = false, clock: MonitorClock,
        log: @escaping @Sendable (String) -> Void
    ) {
        self.tensors = tensors
        self.interval = interval
        self.atEnd = atEnd
        self.log = log
        state = Mutex(State(timer: SecondOrStepTimer(interval, clock: clock)))
    }

    /// - Throws: `invalidArgument` when there is nothing to tell, no time to tell it, or an interval out of its range.
    public func begin(_ builder: GraphBuilder) throws(Status) {
        try interval?.check(typeName)
        if tensors.isEmpty { throw .invalidArgument("\(typeName): expected at least one tensor, found none") }
        if interval == nil, !atEnd { throw .invalidArgument("\(typeName): expected an interval or atEnd, found neither") }
        if Set(tensors.map(\.key)).count < tensors.count { throw .invalidArgument("\(typeName): expected different names, found \(tensors.map(\.key))") }
    }

    /// Fetches the tensors if it is time.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs {
        let isDue = state.withLock { $0.timer.shouldTrigger(forStep: $0.count) }
        return isDue ? SessionRunArgs(fetches: Dictionary(tensors.map { ($0.key, $0.value) }, uniquingKeysWith: { first, _ in first })) : SessionRunArgs()
    }

    /// Tells what was fetched.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        if !values.results.isEmpty { tell(tensors.map { ($0.key, values.results[$0.key]) }) }
        state.withLock { $0.count += 1 }
    }

    /// Computes and tells the tensors, if they are wanted.
    public func end(_ session: Session) async throws(Status) {
        guard atEnd else { return }
        let found = try await session.run(tensors.map(\.value))
        tell(zip(tensors.map(\.key), found).map { ($0, $1) })
    }

    private func tell(_ values: [(name: String, value: Tensor?)]) {
        let elapsed = state.withLock { $0.timer.updateLastTriggered($0.count) }
        let text = values.map { "\($0.name) = \($0.value?.elementText(hasLines: false) ?? "?")" }.joined(separator: ", ")
        log(text + (elapsed.map { " (\(Duration.seconds($0.seconds).text))" } ?? ""))
    }
}
