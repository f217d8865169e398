import CLinux
import Glibc
import Synchronization
import WeirDevice
package import WeirTensor

/// A connected socket that carries frames. Any thread may send.
///
/// A dedicated thread does blocking reads, which has the lowest latency between two processes. Large tensors are written by
/// another thread, which may block. Small frames are written by the thread that sends them, which must not block: what the
/// socket's send buffer does not take is queued in the `LinkOutbox` and written by a third thread.
package final class LinkSocket: Sendable {
    let descriptor: Int32
    private let outbox = Mutex(LinkOutbox())
    /// Writes the queued bytes; created when the first bytes are queued.
    private let writer = Mutex<ComputePool?>(nil)
    private let isClosed = Atomic<Bool>(false)
    /// The system reports a lost connection after about this time.
    private static let lossDetectionSeconds: Int32 = 30

    package init(descriptor: Int32) {
        self.descriptor = descriptor
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        // Probes detect a cut cable or a dead machine, with or without calls in flight. On Unix sockets these options do nothing.
        yes = 1
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, socklen_t(MemoryLayout<Int32>.size))
        let intervals: [(option: Int32, value: Int32)] = [
            (TCP_KEEPIDLE, LinkSocket.lossDetectionSeconds / 3), (TCP_KEEPINTVL, LinkSocket.lossDetectionSeconds / 6), (TCP_KEEPCNT, 4),
            (TCP_USER_TIMEOUT, LinkSocket.lossDetectionSeconds * 1000),
        ]
        for (option, value) in intervals {
            var value = value
            setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        // The system chooses the buffer sizes. With buffers of 4 MB the bytes had left the processor caches before the peer
        // read them, and sending 1 GB over loopback took a quarter longer.
    }
    deinit { Glibc.close(descriptor) }

    /// Sends the descriptor of a ring over a Unix socket. The peer writes large tensors to the ring.
    /// - Throws: `unavailable` when the peer is gone.
    func sendRing(_ ring: SharedRing) throws(Status) {
        guard linux_send_descriptor(descriptor, ring.descriptor) == 1 else { throw .unavailable("The link to the peer broke") }
    }
    /// Receives the ring that the peer sends with `sendRing`.
    /// - Throws: `dataLoss` when the peer sends something else.
    func receiveRing() throws(Status) -> SharedRing { try SharedRing(from: linux_receive_descriptor(descriptor)) }

    /// Whether neither side has closed the connection.
    var isAlive: Bool { linux_is_connected(descriptor) == 1 }

    /// Writes or queues a frame. Never waits for the peer.
    /// - Throws: `unavailable` when the connection has ended, or when too many bytes are queued for a peer that does not read.
    package func send(_ frame: LinkFrame) throws(Status) {
        let result = outbox.withLock { outbox -> LinkOutbox.AddResult? in
            frame.withBytes { bytes in
                if outbox.isIdle {
                    guard bytes.write(to: descriptor, blocks: false) else { return .full }
                    if bytes.count == 0 { return nil }
                }
                return outbox.add(&bytes)
            }
        }
        switch result {
        case nil, .queued: return
        case .startWriter: try startWriter()
        case .full:
            let waiting = outbox.withLock { $0.bytes.count }
            close()
            throw .unavailable(waiting == 0 ? "The link broke" : "\(waiting) bytes wait on a link whose peer does not read")
        }
    }

    /// Starts the thread that writes the queued bytes.
    private func startWriter() throws(Status) {
        let pool: Result<ComputePool, Status> = writer.withLock { writer in
            if let writer { return .success(writer) }
            return Result { () throws(Status) -> ComputePool in
                let created = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
                writer = created
                return created
            }
        }
        do throws(Status) {
            try pool.get().submit { [self] in
                while let bytes = outbox.withLock({ $0.take() }) {
                    if !bytes.withUnsafeBytes(writeBlocking) {
                        outbox.withLock { $0.clear() }
                        close()
                    }
                }
            }
        } catch {
            close()
            throw error
        }
    }

    /// Writes in parts of 256 KB and records progress after each, so that the outbox knows whether the peer reads.
    private func writeBlocking(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            var part = FrameBytes(UnsafeRawBufferPointer(rebasing: rest.prefix(256 << 10)))
            guard part.write(to: descriptor, blocks: true) else { return false }
            rest = rest.dropFirst(256 << 10)
            outbox.withLock { $0.recordProgress() }
        }
        return true
    }

    /// Writes a frame and blocks until the send buffer has taken it. No other thread may write at the same time.
    /// - Parameter ring: the shared memory for the payload; nil when it follows the head. The peer must expect the same.
    /// - Throws: `unavailable` when the connection has ended.
    package func sendBlocking(_ frame: LinkFrame, through ring: SharedRing? = nil) throws(Status) {
        var isSent = frame.withBytes(withPayload: ring == nil) { $0.write(to: descriptor, blocks: true) }
        if isSent, let ring, let payload = frame.payload, payload.byteCount > 0 {
            isSent = ring.write(payload.bytes, while: { isAlive })
        }
        if !isSent {
            close()
            throw .unavailable("The link broke")
        }
    }

    /// Closes both directions. A blocked read returns.
    func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
}
