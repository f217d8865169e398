public import WeirCluster

/// What a hook is told of a new session.
public struct SessionCreation: Sendable {
    /// The session. Its variables have values.
    public let session: Session
    /// Whether this client is the chief, which set these values.
    public let isChief: Bool
    /// The checkpoint from which the chief restored them; nil if it initialized them, and for workers.
    public let restoredFrom: String?
    /// What saves the variables; nil for workers, and when there are none.
    public let saver: Saver?
}
