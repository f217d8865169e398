import Glibc

/// The bytes of a frame, where they lie, and how many of them are still to be written.
struct FrameBytes {
    /// Header, head and payload, any of which may be empty.
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

    /// Hands to the system what it takes.
    /// - Parameter waits: whether to wait for a peer that does not read.
    /// - Returns: false when the connection has ended. What could not be written without waiting is left.
    mutating func write(to descriptor: Int32, waits: Bool) -> Bool {
        while count > 0 {
            let written = withVectors { vectors in
                var message = msghdr()
                message.msg_iov = vectors.baseAddress
                message.msg_iovlen = vectors.count
                return sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL) | (waits ? 0 : Int32(MSG_DONTWAIT)))
            }
            if written < 0 {
                if errno == EINTR { continue }
                return !waits && errno == EAGAIN
            }
            drop(written)
        }
        return true
    }

    private mutating func drop(_ written: Int) {
        count -= written
        // Mostly all of it.
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

    /// Copies what is left behind other bytes.
    mutating func append(to bytes: inout [UInt8]) {
        withVectors { vectors in
            for vector in vectors { bytes.append(contentsOf: UnsafeRawBufferPointer(start: vector.iov_base, count: vector.iov_len)) }
        }
    }
}
