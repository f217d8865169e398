/// How tasks talk over gRPC: sizes and patience, in one place.
///
/// The defaults of gRPC (windows of 64 KiB, frames of 16 KiB, messages of 4 MiB) are made for small messages; a tensor
/// is as large as a layer of a model.
public struct TransportOptions: Sendable {
    /// What a sender may have under way, per connection and per call, before the receiver has read any of it.
    public var windowByteCount = 16 << 20
    /// The most that one call sends before others on its connection have their turn.
    public var frameByteCount = 1 << 20
    /// The largest request or answer. TensorFlow's limit, which is that of protobuf.
    public var maximumMessageByteCount = Int(Int32.max)
    /// How many calls to one task share a connection before another is made. swift-nio keeps to 100 at a time with a
    /// peer that names no limit, as TensorFlow's do not; calls beyond that wait for others to end, which may be waiting
    /// for them.
    public var callsPerConnection = 90
    /// How long to wait before connecting again, the first time and at most.
    public var initialBackoff: Duration = .milliseconds(50)
    public var maximumBackoff: Duration = .seconds(1)
    /// How long a connection may be dead, by a cable that is pulled or a machine that is gone, before its calls fail. A
    /// process that is stopped still has its connections.
    public var lossDelay: Duration = .seconds(30)
    /// How often a client asks again when the master is not there, as TensorFlow's does.
    public var retryCount = 10
    /// How long small writes are held back to be sent together. Nil sends at once: a step waits for each message.
    public var flushDelay: Duration?

    public init() {}
}
