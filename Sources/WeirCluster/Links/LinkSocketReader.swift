import Glibc
import WeirTensor

/// A buffered reader of a link's socket. One system call reads all small frames that have arrived. For one thread only.
struct LinkSocketReader: ~Copyable {
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    /// The part of the buffer that has been received and not yet consumed.
    private var unread = 0..<0
    /// Why reading failed; nil when the peer closed or reset the connection.
    private(set) var failure: Status?
    /// The first part of a head, in bytes. Memory for a head grows as bytes arrive; the announced length is not trusted.
    private static let initialByteCount = 1 << 20

    /// - Parameter bufferByteCount: the size of the buffer; 0 reads no byte ahead.
    init(_ descriptor: Int32, bufferByteCount: Int) {
        self.descriptor = descriptor
        buffer = .allocate(byteCount: bufferByteCount, alignment: 16)
    }
    deinit { buffer.deallocate() }

    /// Reads `count` bytes.
    /// - Returns: nil when the connection ends before.
    mutating func read(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while true {
            let part = min(count - bytes.count, max(LinkSocketReader.initialByteCount, bytes.count))
            var isComplete = false
            let next = [UInt8](unsafeUninitializedCapacity: part) { memory, initialized in
                isComplete = read(into: UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(memory)[..<part]))
                initialized = isComplete ? part : 0
            }
            guard isComplete else { return nil }
            if next.count == count { return next }
            bytes += next
            if bytes.count == count { return bytes }
        }
    }

    /// Fills `memory`.
    /// - Returns: false when the connection ends before.
    mutating func read(into memory: UnsafeMutableRawBufferPointer) -> Bool {
        var position = 0
        while position < memory.count {
            if !unread.isEmpty {
                let part = min(unread.count, memory.count - position)
                UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + part])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[unread.lowerBound..<unread.lowerBound + part]))
                unread = unread.lowerBound + part..<unread.upperBound
                position += part
            } else if memory.count - position < buffer.count {
                guard let count = receive(buffer, flags: 0) else { return false }
                unread = 0..<count
            } else {
                guard let count = receive(UnsafeMutableRawBufferPointer(rebasing: memory[position...]), flags: Int32(MSG_WAITALL))
                else { return false }
                position += count
            }
        }
        return true
    }

    private mutating func receive(_ memory: UnsafeMutableRawBufferPointer, flags: Int32) -> Int? {
        while true {
            let count = recv(descriptor, memory.baseAddress, memory.count, flags)
            if count > 0 { return count }
            if count < 0, errno == EINTR { continue }
            if count < 0, errno != ECONNRESET { failure = .unavailable(String(cString: strerror(errno))) }
            return nil
        }
    }
}
