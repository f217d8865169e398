import CLinux
import Glibc
import Synchronization
package import WeirTensor

/// A connected socket that carries frames: whole ones, one after the other, from any thread.
///
/// Reading and writing block: that is the fastest way there is from one process to another. Each socket is read by a thread
/// that does nothing else; what is large is written by another, what is small by whoever has it.
package final class LinkSocket: Sendable {
    let descriptor: Int32
    private let writing = Mutex<Void>(())
    private let isClosed = Atomic<Bool>(false)

    package init(descriptor: Int32) {
        self.descriptor = descriptor
        var yes: Int32 = 1
        setsockopt(descriptor, Int32(IPPROTO_TCP), TCP_NODELAY, &yes, socklen_t(MemoryLayout<Int32>.size))
        // The system sizes the buffers. With 4 MB, asked for, what one end wrote had left the processors' caches
        // when the other read it, and 1 GB through loopback took a quarter longer.
    }
    deinit { Glibc.close(descriptor) }

    /// Reading fails after so long without a byte; 0 is for ever.
    func wait(atMost milliseconds: Int) {
        var limit = timeval(tv_sec: milliseconds / 1000, tv_usec: milliseconds % 1000 * 1000)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

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

    /// Writes a frame: head and payload are gathered from where they lie.
    /// - Parameter ring: where the payload goes, if not after the head. The peer must expect it there.
    /// - Throws: `unavailable` when the peer is gone.
    package func send(_ frame: LinkFrame, through ring: SharedRing? = nil) throws(Status) {
        let small = frame.header + frame.head
        let isSent = writing.withLock { _ -> Bool in
            small.withUnsafeBytes { first in
                guard let payload = frame.payload, payload.byteCount > 0 else { return write([first]) }
                guard let ring else { return write([first, payload.bytes]) }
                return write([first]) && ring.write(payload.bytes, while: { isAlive })
            }
        }
        if !isSent {
            close()
            throw .unavailable("The link to the peer broke")
        }
    }

    private func write(_ parts: [UnsafeRawBufferPointer]) -> Bool {
        var vectors = parts.map { iovec(iov_base: UnsafeMutableRawPointer(mutating: $0.baseAddress), iov_len: $0.count) }
        var first = 0
        while first < vectors.count {
            let written = vectors[first...].withUnsafeMutableBufferPointer { buffer -> Int in
                var message = msghdr()
                message.msg_iov = buffer.baseAddress
                message.msg_iovlen = buffer.count
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL))
            }
            if written < 0 {
                if errno == EINTR { continue }
                return false
            }
            var left = written
            while first < vectors.count, left >= vectors[first].iov_len {
                left -= vectors[first].iov_len
                first += 1
            }
            if first < vectors.count, left > 0 {
                vectors[first].iov_base = vectors[first].iov_base.map { $0 + left }
                vectors[first].iov_len -= left
            }
        }
        return true
    }

    /// Reads the next frame; a tensor's bytes go straight into its memory.
    /// - Parameters:
    ///   - ring: where the peer puts payloads, if not after the head.
    ///   - greets: whether the peer has still to say who it is, and may say nothing else.
    /// - Returns: nil when the connection has ended.
    /// - Throws: `dataLoss` when what comes is no frame.
    package func receive(through ring: SharedRing? = nil, greets: Bool = false) throws(Status) -> LinkFrame? {
        guard let header = read(LinkFrame.headerByteCount) else { return nil }
        var reader = LinkReader(header)
        let number = try reader.byte()
        guard let kind = LinkFrame.Kind(rawValue: number) else { throw .dataLoss("A link's message is of unknown kind \(number)") }
        for _ in 0..<3 { _ = try reader.byte() }
        let headCount = Int(try reader.fixed32())
        var frame = LinkFrame(kind: kind, call: try reader.fixed64())
        let payloadCount = try reader.fixed64()
        guard !greets || (kind == .hello && headCount <= 64) else { throw .dataLoss("A link begins with another message than a greeting") }
        guard headCount <= LinkFrame.maximumHeadByteCount else { throw .dataLoss("A link's message has a head of \(headCount) bytes") }
        guard let head = read(headCount) else { return nil }
        frame.head = head
        if kind == .tensor {
            let description = try LinkTensor(head: head)
            guard description.dtype.isBitwise else { return frame }
            let (expected, overflows) = description.shape.elementCount.multipliedReportingOverflow(by: description.dtype.byteCount)
            guard !overflows, payloadCount == UInt64(expected) else {
                throw .dataLoss("A link's \(description.dtype) tensor of shape \(description.shape) comes with \(payloadCount) bytes")
            }
            let tensor = try Tensor(description.dtype, description.shape)
            guard ring?.read(into: tensor.mutableBytes, while: { isAlive }) ?? read(into: tensor.mutableBytes) else { return nil }
            frame.payload = tensor
        } else if payloadCount != 0 {
            throw .dataLoss("A link's message of kind \(kind) comes with \(payloadCount) bytes of payload")
        }
        return frame
    }

    private func read(_ count: Int) -> [UInt8]? {
        var complete = false
        let bytes = [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            complete = read(into: UnsafeMutableRawBufferPointer(buffer))
            initialized = complete ? count : 0
        }
        return complete ? bytes : nil
    }
    private func read(into buffer: UnsafeMutableRawBufferPointer) -> Bool {
        var position = 0
        while position < buffer.count {
            let count = recv(descriptor, buffer.baseAddress.map { $0 + position }, buffer.count - position, Int32(MSG_WAITALL))
            if count <= 0 {
                if count < 0, errno == EINTR { continue }
                return false
            }
            position += count
        }
        return true
    }

    /// Ends both directions; whoever reads is told.
    func close() {
        if !isClosed.exchange(true, ordering: .relaxed) { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }

    /// Reads frames on a thread of their own until the connection ends.
    /// - Parameter onEnd: told why, when it was not a clean end.
    func start(
        through ring: SharedRing? = nil, _ onFrame: @escaping @Sendable (LinkFrame) -> Void,
        onEnd: @escaping @Sendable (Status?) -> Void
    ) {
        @Sendable func end(_ reason: Status?) {
            close()
            onEnd(reason)
        }
        do throws(Status) {
            try LinkThread.run { [self] in
                do throws(Status) {
                    while let frame = try receive(through: ring) { onFrame(frame) }
                    end(nil)
                } catch {
                    end(error)
                }
            }
        } catch {
            end(error)
        }
    }
}
