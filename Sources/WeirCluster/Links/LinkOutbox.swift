import Synchronization

/// The bytes that wait to be written to a link's socket because the peer reads too slowly.
///
/// While nothing waits, the sending thread writes directly, which is fastest. When the socket's send buffer is full, the rest
/// of the frame and later frames are queued here, and one writing thread writes them together. A peer that does not read
/// thus costs memory up to a limit, and blocks no sender.
struct LinkOutbox: Sendable {
    /// The outcome of adding a frame that could not be written at once.
    enum AddResult {
        /// The bytes are queued and the caller starts the writer.
        case startWriter
        /// The bytes are queued and the writer is running.
        case queued
        /// The peer has read nothing for too long, or too many bytes are queued.
        case full
    }
    /// How many bytes may be queued for a peer that reads nothing. A peer that reads slowly may have more.
    static let stalledByteLimit = 64 << 20
    /// How long a peer may read nothing while more than `stalledByteLimit` bytes are queued.
    static let stallTimeout = Duration.seconds(10)
    /// How many bytes may be queued in any case.
    static let byteLimit = 2 << 30

    private(set) var bytes: [UInt8] = []
    private var isWriting = false
    /// When the peer last read something.
    private var lastProgress = ContinuousClock.now

    /// Whether a frame may be written directly, because nothing is queued before it.
    var isIdle: Bool { !isWriting }

    /// Queues the bytes of a frame that have not been written.
    mutating func add(_ remaining: inout FrameBytes, now: ContinuousClock.Instant = .now) -> AddResult {
        if !isWriting { lastProgress = now }
        remaining.append(to: &bytes)
        guard bytes.count <= LinkOutbox.byteLimit,
            bytes.count <= LinkOutbox.stalledByteLimit || now - lastProgress <= LinkOutbox.stallTimeout
        else { return .full }
        if isWriting { return .queued }
        isWriting = true
        return .startWriter
    }

    /// Returns all queued bytes for the writer. Nil means that there are none and that the writer ends.
    mutating func take() -> [UInt8]? {
        lastProgress = .now
        guard !bytes.isEmpty else {
            isWriting = false
            return nil
        }
        defer { bytes = [] }
        return bytes
    }
    mutating func recordProgress() { lastProgress = .now }
    /// Discards the queued bytes, because the connection has ended.
    mutating func clear() { bytes = [] }
}
