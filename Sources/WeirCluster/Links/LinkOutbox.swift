import Synchronization

/// What waits to be written to a link's socket because the peer does not read as fast as it is written to.
///
/// As long as nothing waits, whoever has a message writes it: that is the fastest. Once the system's buffer is full the
/// rest waits here, what comes later waits behind it, and one thread writes what has gathered, together. A peer that has
/// stopped reading so costs memory, up to a bound, and nobody's time.
struct LinkOutbox: Sendable {
    /// What is done with a message that could not be written at once.
    enum Verdict {
        /// Somebody is to begin writing.
        case begin
        /// Somebody writes already.
        case waits
        /// The peer has taken nothing for too long, or is too far behind.
        case full
    }
    /// How much may wait for a peer that takes nothing; more is taken for one that reads, however slowly.
    static let patientByteCount = 64 << 20
    /// How long a peer may take nothing while more than that waits.
    static let patience = Duration.seconds(10)
    /// How much may wait in any case.
    static let maximumByteCount = 2 << 30

    private(set) var bytes: [UInt8] = []
    private var isWriting = false
    /// When the peer last took something.
    private var lastProgress = ContinuousClock.now

    /// Whether a message may be written at once: nothing is before it.
    var isIdle: Bool { !isWriting }

    /// Leaves what has not been written of a frame.
    mutating func add(_ rest: inout FrameBytes, now: ContinuousClock.Instant = .now) -> Verdict {
        if !isWriting { lastProgress = now }
        rest.append(to: &bytes)
        guard bytes.count <= LinkOutbox.maximumByteCount,
            bytes.count <= LinkOutbox.patientByteCount || now - lastProgress <= LinkOutbox.patience
        else { return .full }
        if isWriting { return .waits }
        isWriting = true
        return .begin
    }

    /// What has gathered, for the one who writes; nil when there is nothing more, and writing has ended.
    mutating func take() -> [UInt8]? {
        lastProgress = .now
        guard !bytes.isEmpty else {
            isWriting = false
            return nil
        }
        defer { bytes = [] }
        return bytes
    }
    mutating func noteProgress() { lastProgress = .now }
    /// Nothing that waits is written any more.
    mutating func clear() { bytes = [] }
}
