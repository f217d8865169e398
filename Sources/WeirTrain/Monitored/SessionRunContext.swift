public import WeirCluster
import WeirGraph

/// What a hook is told of a step: TensorFlow's `SessionRunContext`.
public struct SessionRunContext: Sendable {
    /// The session that runs the step. Steps that a hook runs with it call no hooks.
    public let session: Session
    /// The names of what the caller fetches.
    public let fetches: [String]
    /// The names of what the caller feeds.
    public let feeds: [String]
    private let stop: SharedFlag

    init(session: Session, fetches: [String], feeds: [String], stop: SharedFlag) {
        self.session = session
        self.fetches = fetches
        self.feeds = feeds
        self.stop = stop
    }

    /// Ends the training after this step: `MonitoredSession.shouldStop` becomes true.
    public func requestStop() { stop.set() }
    /// Whether a hook has asked for it.
    public var isStopRequested: Bool { stop.isSet }
}
