import Glibc
import WeirTensor

/// What comes in at a link's socket: read as much at a time as there is, so that many small messages that come together
/// cost one call of the system. For the one thread that reads.
struct LinkInput: ~Copyable {
    private let descriptor: Int32
    private let buffer: UnsafeMutableRawBufferPointer
    /// What of the buffer has been read and not yet been taken.
    private var held = 0..<0
    /// Why it ended, when it was not the peer's doing.
    private(set) var failure: Status?
    /// A head takes memory as its bytes come, not as the peer announces.
    private static let firstByteCount = 1 << 20

    /// - Parameter bufferByteCount: how much is read ahead; with 0 nothing is.
    init(_ descriptor: Int32, bufferByteCount: Int) {
        self.descriptor = descriptor
        buffer = .allocate(byteCount: bufferByteCount, alignment: 16)
    }
    deinit { buffer.deallocate() }

    /// - Returns: nil when the connection ends before so much has come.
    mutating func read(_ count: Int) -> [UInt8]? {
        var bytes: [UInt8] = []
        while true {
            let part = min(count - bytes.count, max(LinkInput.firstByteCount, bytes.count))
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

    /// Fills memory.
    /// - Returns: false when the connection ends before.
    mutating func read(into memory: UnsafeMutableRawBufferPointer) -> Bool {
        var position = 0
        while position < memory.count {
            if !held.isEmpty {
                let part = min(held.count, memory.count - position)
                UnsafeMutableRawBufferPointer(rebasing: memory[position..<position + part])
                    .copyMemory(from: UnsafeRawBufferPointer(rebasing: buffer[held.lowerBound..<held.lowerBound + part]))
                held = held.lowerBound + part..<held.upperBound
                position += part
            } else if memory.count - position < buffer.count {
                guard let count = receive(buffer, flags: 0) else { return false }
                held = 0..<count
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
