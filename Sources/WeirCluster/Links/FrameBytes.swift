import Glibc

/// The bytes of a frame that are still to be written. It refers to the frame's memory and does not copy it.
struct FrameBytes {
    /// The vectors of header, head and payload, any of which may be empty.
    private var vectors: (iovec, iovec, iovec)
    private(set) var count: Int

    init(_ header: UnsafeRawBufferPointer, _ head: UnsafeRawBufferPointer, _ payload: UnsafeRawBufferPointer) {
        func vector(_ bytes: UnsafeRawBufferPointer) -> iovec {
            iovec(iov_base: UnsafeMutableRawPointer(mutating: bytes.baseAddress), iov_len: bytes.count)
        }
        vectors = (vector(header), vector(head), vector(payload))
        count = header.count + head.count + payload.count
    }

    init(_ bytes: UnsafeRawBufferPointer) { self.init(bytes, UnsafeRawBufferPointer(start: nil, count: 0), UnsafeRawBufferPointer(start: nil, count: 0)) }

    private mutating func withVectors<R>(_ body: (UnsafeMutableBufferPointer<iovec>) -> R) -> R {
        withUnsafeMutableBytes(of: &vectors) { body($0.bindMemory(to: iovec.self)) }
    }

    /// Writes to the socket until all bytes are written, or as many as the socket's send buffer takes.
    /// - Parameter blocks: whether to block while the send buffer is full.
    /// - Returns: false when the connection has ended. Bytes that do not fit without blocking remain.
    mutating func write(to descriptor: Int32, blocks: Bool) -> Bool {
        while count > 0 {
            let written = withVectors { vectors in
                var message = msghdr()
                message.msg_iov = vectors.baseAddress
                message.msg_iovlen = vectors.count
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL) | (blocks ? 0 : Int32(MSG_DONTWAIT)))
            }
            if written < 0 {
                if errno == EINTR { continue }
                return !blocks && errno == EAGAIN
            }
            advance(by: written)
        }
        return true
    }

    private mutating func advance(by written: Int) {
        count -= written
        // Usually the socket takes all bytes.
        guard count > 0 else { return }
        withVectors { vectors in
            var left = written
            for index in vectors.indices {
                let part = min(left, vectors[index].iov_len)
                vectors[index].iov_base = vectors[index].iov_base.map { $0 + part }
                vectors[index].iov_len -= part
                left -= part
            }
        }
    }

    /// Appends copies of the remaining bytes to `bytes`.
    mutating func append(to bytes: inout [UInt8]) {
        withVectors { vectors in
            for vector in vectors { bytes.append(contentsOf: UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)) }
        }
    }
}
