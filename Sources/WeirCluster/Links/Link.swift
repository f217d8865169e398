import WeirDevice
import WeirTensor

/// The two sockets between two tasks: one for messages, one for large tensors, so that a small message never waits
/// behind a layer of a model. On one host a large tensor's bytes go through memory that both share.
final class Link: Sendable {
    /// What a socket carries. The raw value is its number on the wire.
    enum SocketRole: UInt8 {
        case control = 0
        case bulk = 1
    }
    /// Tensors from this size on go the other way.
    static let bulkByteCount = 64 << 10

    private let control: LinkSocket
    private let bulk: LinkSocket
    /// Large tensors' bytes, from and to a peer on this host.
    private let incoming: SharedRing?
    private let outgoing: SharedRing?
    /// Writes large tensors one after the other, so that no kernel's thread waits for the network.
    private let bulkWriter: ComputePool

    /// - Throws: `resourceExhausted` when the system has no thread left to write large tensors.
    init(
        control: LinkSocket, bulk: LinkSocket, incoming: SharedRing? = nil, outgoing: SharedRing? = nil
    ) throws(Status) {
        bulkWriter = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
        self.control = control
        self.bulk = bulk
        self.incoming = incoming
        self.outgoing = outgoing
    }

    /// - Parameters:
    ///   - onFrame: called on the thread that reads; it must not block.
    ///   - onEnd: called once, when either socket has ended; with `unavailable` unless the peer broke the rules.
    func start(_ onFrame: @escaping @Sendable (LinkFrame) -> Void, onEnd: @escaping @Sendable (Status) -> Void) {
        let ended = Once<Void> { result in
            if case .failure(let status) = result { onEnd(status) }
        }
        for (socket, ring, other) in [(control, nil, bulk), (bulk, incoming, control)] {
            socket.start(through: ring, onFrame) { reason in
                other.close()
                ended.finish(.failure(reason ?? .unavailable("its link closed")))
            }
        }
    }

    /// Sends a frame, a large tensor's from another thread. Never waits for the peer.
    func send(_ frame: LinkFrame) throws(Status) {
        guard let payload = frame.payload, payload.byteCount >= Link.bulkByteCount else { return try control.send(frame) }
        bulkWriter.submit { [bulk, outgoing] in try? bulk.sendWaiting(frame, through: outgoing) }
    }

    func close() {
        control.close()
        bulk.close()
    }
}
