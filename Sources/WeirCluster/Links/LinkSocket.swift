import CLinux
import Glibc
import Synchronization
import WeirDevice
package import WeirTensor

/// A connected socket that carries frames: whole ones, one after the other, from any thread.
///
/// Reading blocks: that is the fastest way there is from one process to another. Each socket is read by a thread that does
/// nothing else. What is large is written by another, which may block; what is small by whoever has it, who may not: what
/// the system does not take at once is left to a thread that waits for the peer to read.
package final class LinkSocket: Sendable {
    let descriptor: Int32
    private let outbox = Mutex(LinkOutbox())
    /// Writes what has gathered; made when something first does.
    private let writer = Mutex<ComputePool?>(nil)
    private let isClosed = Atomic<Bool>(false)
    /// Of a connection that is lost without a word, the system says so after about this long.
    private static let silenceSeconds: Int32 = 30

    package init(descriptor: Int32) {
        self.descriptor = descriptor
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        // A cable that is pulled, or a machine that is gone, is noticed whether something is under way or not. On sockets of
        // this host these do nothing.
        yes = 1
        setsockopt(descriptor, SOL_SOCKET, SO_KEEPALIVE, &yes, socklen_t(MemoryLayout<Int32>.size))
        let intervals: [(option: Int32, value: Int32)] = [
            (TCP_KEEPIDLE, LinkSocket.silenceSeconds / 3), (TCP_KEEPINTVL, LinkSocket.silenceSeconds / 6), (TCP_KEEPCNT, 4),
            (TCP_USER_TIMEOUT, LinkSocket.silenceSeconds * 1000),
        ]
        for (option, value) in intervals {
            var value = value
            setsockopt(descriptor, Int32(IPPROTO_TCP), option, &value, socklen_t(MemoryLayout<Int32>.size))
        }
        // The system sizes the buffers. With 4 MB, asked for, what one end wrote had left the processors' caches
        // when the other read it, and 1 GB through loopback took a quarter longer.
    }
    deinit { Glibc.close(descriptor) }

    /// Gives the peer, over a socket of this host, memory in which to send what is large.
    /// - Throws: `unavailable` when the peer is gone.
    func offer(_ ring: SharedRing) throws(Status) {
        guard linux_send_descriptor(descriptor, ring.descriptor) == 1 else { throw .unavailable("The link to the peer broke") }
    }
    /// Takes what the peer gives with `offer`.
    /// - Throws: `dataLoss` when it gives something else.
    func takeRing() throws(Status) -> SharedRing { try SharedRing(from: linux_receive_descriptor(descriptor)) }

    /// False once either end has closed.
    var isAlive: Bool { linux_is_connected(descriptor) == 1 }

    /// Writes a frame: head and payload are gathered from where they lie. Never waits for the peer.
    /// - Throws: `unavailable` when the peer is gone, or has read nothing for long while much waits for it.
    package func send(_ frame: LinkFrame) throws(Status) {
        let verdict = outbox.withLock { outbox -> LinkOutbox.Verdict? in
            frame.withBytes { bytes in
                if outbox.isIdle {
                    guard bytes.write(to: descriptor, waits: false) else { return .full }
                    if bytes.count == 0 { return nil }
                }
                return outbox.add(&bytes)
            }
        }
        switch verdict {
        case nil, .waits: return
        case .begin: try beginWriting()
        case .full:
            let waiting = outbox.withLock { $0.bytes.count }
            close()
            throw .unavailable(waiting == 0 ? "The link broke" : "\(waiting) bytes wait on a link whose peer does not read")
        }
    }

    /// Has what waits written by a thread for that.
    private func beginWriting() throws(Status) {
        let made: Result<ComputePool, Status> = writer.withLock { writer in
            if let writer { return .success(writer) }
            return Result { () throws(Status) -> ComputePool in
                let made = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
                writer = made
                return made
            }
        }
        do throws(Status) {
            try made.get().submit { [self] in
                while let bytes = outbox.withLock({ $0.take() }) {
                    if !bytes.withUnsafeBytes(writeWaiting) {
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

    /// Writes bytes piece by piece, so that it is known whether the peer reads.
    private func writeWaiting(_ bytes: UnsafeRawBufferPointer) -> Bool {
        var rest = bytes[...]
        while !rest.isEmpty {
            var part = FrameBytes(UnsafeRawBufferPointer(rebasing: rest.prefix(256 << 10)))
            guard part.write(to: descriptor, waits: true) else { return false }
            rest = rest.dropFirst(256 << 10)
            outbox.withLock { $0.noteProgress() }
        }
        return true
    }

    /// Writes a frame and waits until the peer has taken all but what the system keeps for it. Not while others send.
    /// - Parameter ring: where the payload goes, if not after the head. The peer must expect it there.
    /// - Throws: `unavailable` when the peer is gone.
    package func sendWaiting(_ frame: LinkFrame, through ring: SharedRing? = nil) throws(Status) {
        var isSent = frame.withBytes(withPayload: ring == nil) { $0.write(to: descriptor, waits: true) }
        if isSent, let ring, let payload = frame.payload, payload.byteCount > 0 {
            isSent = ring.write(payload.bytes, while: { isAlive })
        }
        if !isSent {
            close()
            throw .unavailable("The link broke")
        }
    }

    /// Ends both directions; whoever reads is told.
    func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
}
