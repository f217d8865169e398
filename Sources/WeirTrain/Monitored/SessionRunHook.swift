public import WeirCluster
public import WeirGraph
public import WeirTensor

/// Extends the calls of `MonitoredSession.run`. TensorFlow's `SessionRunHook`.
///
/// The order of a training is `begin`, `afterCreateSession`, then `beforeRun` and `afterRun` for each step, and `end`. All calls of one
/// session come one after another. When servers are lost and come back, the session is made anew: `afterCreateSession` is called again,
/// and the step that failed begins again with `beforeRun`.
///
/// A hook that throws `outOfRange` ends the training without an error, as a step that does. One that throws `aborted` or `unavailable`, for
/// example because a step of its own has, makes the session begin anew.
public protocol SessionRunHook: Sendable {
    /// Called once, before the first session is made. The hook may add nodes to the graph, and should throw if it cannot work.
    func begin(_ builder: GraphBuilder) throws(Status)
    /// Called when a session is made: at the beginning, and when servers were lost.
    func afterCreateSession(_ creation: SessionCreation) async throws(Status)
    /// Called before each step.
    /// - Returns: what the hook adds to it.
    func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs
    /// Called after each step that did not fail.
    func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status)
    /// Called by `MonitoredSession.close`, unless the last step failed.
    func end(_ session: Session) async throws(Status)
}

extension SessionRunHook {
    /// Does nothing.
    public func begin(_ builder: GraphBuilder) throws(Status) {}
    /// Does nothing.
    public func afterCreateSession(_ creation: SessionCreation) async throws(Status) {}
    /// Adds nothing.
    public func beforeRun(_ context: SessionRunContext) async throws(Status) -> SessionRunArgs { SessionRunArgs() }
    /// Does nothing.
    public func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {}
    /// Does nothing.
    public func end(_ session: Session) async throws(Status) {}

    /// The name of its type, for errors.
    var typeName: String { String(describing: type(of: self)) }
}
