/// Sizes, limits and timeouts of gRPC between tasks.
///
/// gRPC's defaults (windows of 64 KiB, frames of 16 KiB, messages of 4 MiB) are for small messages, but a tensor may be as
/// large as a layer of a model.
public struct TransportOptions: Sendable {
    /// The HTTP/2 window in bytes, per connection and per call: how much is sent before the receiver has read any of it.
    public var windowByteCount = 16 << 20
    /// The HTTP/2 frame in bytes: how much one call sends before other calls of its connection get their turn.
    public var frameByteCount = 1 << 20
    /// The largest request or reply in bytes. The default is the limit of TensorFlow and of protobuf.
    public var maximumMessageByteCount = Int(Int32.max)
    /// The most calls to one task on a connection; for more, another connection is opened. swift-nio allows 100 at a time when
    /// the peer announces no limit, as TensorFlow's servers do not. A call beyond that would wait for calls that may wait for it.
    public var callsPerConnection = 90
    /// The first delay before reconnecting.
    public var initialBackoff: Duration = .milliseconds(50)
    /// The longest delay before reconnecting.
    public var maximumBackoff: Duration = .seconds(1)
    /// How long a connection may be lost, by a cut cable or a dead machine, before its calls fail. A stopped process does not
    /// lose its connections.
    public var lossDelay: Duration = .seconds(30)
    /// How often a client retries a call when the master cannot be reached, as TensorFlow's client does.
    public var retryCount = 10
    /// How long small writes are delayed to be sent together. Nil sends at once, because a step waits for each message.
    public var flushDelay: Duration?

    /// Makes options with default values.
    public init() {}
}
