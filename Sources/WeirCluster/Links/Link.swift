import WeirDevice
import WeirTensor

/// The connection between two tasks. It has two sockets: one for small messages and one for large tensors, so that a small
/// message does not wait behind a large tensor. On one host, the bytes of large tensors go through shared memory.
final class Link: Sendable {
    /// What a socket carries. The raw value is its number on the wire.
    enum SocketRole: UInt8 {
        case control = 0
        case bulk = 1
    }
    /// The smallest tensor, in bytes, that the bulk socket carries.
    static let bulkByteCount = 64 << 10

    private let control: LinkSocket
    private let bulk: LinkSocket
    /// Shared memory for the bytes of large tensors from and to a peer on this host.
    private let incoming: SharedRing?
    private let outgoing: SharedRing?
    /// Writes large tensors one after the other, so that no kernel thread waits for the network.
    private let bulkWriter: ComputePool
    private let metrics: LinkMetrics

    /// - Throws: `resourceExhausted` when the system cannot start the thread that writes large tensors.
    init(
        control: LinkSocket, bulk: LinkSocket, incoming: SharedRing? = nil, outgoing: SharedRing? = nil, metrics: LinkMetrics
    ) throws(Status) {
        bulkWriter = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
        self.control = control
        self.bulk = bulk
        self.incoming = incoming
        self.outgoing = outgoing
        self.metrics = metrics
    }

    /// Starts reading both sockets.
    /// - Parameters:
    ///   - onFrame: called on the reading thread; it must not block.
    ///   - destination: says where the payload of a reply is wanted.
    ///   - onEnd: called once, when either socket has ended; with `unavailable` unless the peer violated the protocol.
    func start(
        _ onFrame: @escaping @Sendable (LinkFrame) -> Void, destination: @escaping LinkSocket.Destination = { _ in nil },
        onEnd: @escaping @Sendable (Status) -> Void
    ) {
        let ended = Once<Void> { result in
            if case .failure(let status) = result { onEnd(status) }
        }
        let receive: @Sendable (LinkFrame) -> Void = { [metrics] frame in
            metrics.recordReceived(frame)
            onFrame(frame)
        }
        for (socket, ring, other) in [(control, nil, bulk), (bulk, incoming, control)] {
            socket.start(through: ring, destination: destination, receive) { reason in
                other.close()
                ended.finish(.failure(reason ?? .unavailable("its link closed")))
            }
        }
    }

    /// Sends a frame. A large tensor is sent by another thread. Never waits for the peer.
    /// - Parameter written: called once if this does not throw: with nil when the payload has been read, or with the reason why
    ///   it could not be sent.
    func send(_ frame: LinkFrame, written: (@Sendable (Status?) -> Void)? = nil) throws(Status) {
        metrics.recordSent(frame)
        guard let payload = frame.payload, payload.byteCount >= Link.bulkByteCount else {
            try control.send(frame)
            written?(nil)
            return
        }
        bulkWriter.submit { [bulk, outgoing] in
            do throws(Status) {
                try bulk.sendBlocking(frame, through: outgoing)
                written?(nil)
            } catch {
                written?(error)
            }
        }
    }

    func close() {
        control.close()
        bulk.close()
    }
}
