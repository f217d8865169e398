import Glibc
import Synchronization
package import WeirTensor

/// A connected socket that carries frames: whole ones, one after the other, from any thread.
///
/// Reading and writing block, each on a thread that has nothing else to do: that is the fastest way there is from one
/// process to another, and costs a thread a peer.
package final class LinkSocket: Sendable {
    private let descriptor: Int32
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

    /// Connects to `host:port`.
    /// - Throws: `unavailable` when nobody listens there.
    static func connect(host: String, port: Int) throws -> LinkSocket {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &found) == 0 else { throw Status.unavailable("\(host) is not known") }
        defer { freeaddrinfo(found) }
        var reason = "no address"
        var next = found
        while let address = next?.pointee {
            next = address.ai_next
            let descriptor = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), address.ai_protocol)
            guard descriptor >= 0 else { continue }
            if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return LinkSocket(descriptor: descriptor) }
            reason = String(cString: strerror(errno))
            Glibc.close(descriptor)
        }
        throw Status.unavailable("\(host):\(port): \(reason)")
    }

    /// Writes a frame: head and payload are gathered from where they lie.
    /// - Throws: `unavailable` when the peer is gone.
    package func send(_ frame: LinkFrame) throws(Status) {
        let small = frame.header + frame.head
        let failed = writing.withLock { _ -> Bool in
            small.withUnsafeBytes { first in
                guard let payload = frame.payload, payload.byteCount > 0 else { return !write([first]) }
                return !write([first, payload.bytes])
            }
        }
        if failed {
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
    /// - Returns: nil when the connection has ended.
    /// - Throws: `dataLoss` when what comes is no frame.
    package func receive() throws(Status) -> LinkFrame? {
        guard let header = read(LinkFrame.headerByteCount) else { return nil }
        var reader = LinkReader(header)
        let number = try reader.byte()
        guard let kind = LinkFrame.Kind(rawValue: number) else { throw .dataLoss("A link's message is of unknown kind \(number)") }
        for _ in 0..<3 { _ = try reader.byte() }
        let headCount = Int(try reader.fixed32())
        var frame = LinkFrame(kind: kind, call: try reader.fixed64())
        let payloadCount = try reader.fixed64()
        guard headCount <= LinkFrame.maximumHeadByteCount else { throw .dataLoss("A link's message has a head of \(headCount) bytes") }
        guard let head = read(headCount) else { return nil }
        frame.head = head
        if kind == .tensor {
            let description = try LinkTensor(head: head)
            guard description.dtype.isBitwise else { return frame }
            let expected = description.shape.elementCount * description.dtype.byteCount
            guard payloadCount == UInt64(expected) else {
                throw .dataLoss("A link's tensor of \(expected) bytes comes with \(payloadCount)")
            }
            let tensor = try Tensor(description.dtype, description.shape)
            guard read(into: tensor.mutableBytes) else { return nil }
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
    func start(_ onFrame: @escaping @Sendable (LinkFrame) -> Void, onEnd: @escaping @Sendable (Status?) -> Void) {
        LinkThread.run { [self] in
            var reason: Status?
            do throws(Status) {
                while let frame = try receive() { onFrame(frame) }
            } catch {
                reason = error
            }
            close()
            onEnd(reason)
        }
    }
}

/// Threads for reading and writing sockets.
enum LinkThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }
    static func run(_ body: @escaping @Sendable () -> Void) {
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        var thread = pthread_t()
        let failure = pthread_create(
            &thread, nil,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            }, argument)
        precondition(failure == 0, "cannot start a thread: \(String(cString: strerror(failure)))")
        pthread_detach(thread)
    }
}
