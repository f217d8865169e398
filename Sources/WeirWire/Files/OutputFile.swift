import Glibc
package import WeirTensor

/// A file written sequentially through a buffer. Not thread-safe.
///
/// `close` reports errors of the last write. A file that is released without `close` loses the bytes in the buffer.
package final class OutputFile {
    package enum Mode {
        /// Truncates an existing file.
        case replace
        /// Appends to an existing file.
        case append
        /// Fails when the file exists.
        case create
    }

    private static let bufferSize = 256 << 10

    package let path: String
    private var descriptor: Int32
    private var buffer: [UInt8] = []
    /// The size of the file in bytes, including bytes in the buffer and, with `append`, the existing ones.
    package private(set) var byteCount: Int

    package init(_ path: String, _ mode: Mode = .replace) throws(Status) {
        try FileFaults.step()
        let flags =
            switch mode {
            case .replace: O_TRUNC
            case .append: O_APPEND
            case .create: O_EXCL
            }
        // O_NONBLOCK: do not wait for the reader of a pipe. Without a reader, or with a slow one, writing fails.
        descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NONBLOCK | flags, 0o666)
        guard descriptor >= 0 else { throw .system(path) }
        self.path = path
        byteCount = mode == .append ? max(0, Int(lseek(descriptor, 0, SEEK_END))) : 0
    }

    deinit { if descriptor >= 0 { _ = Self.closeDescriptor(descriptor) } }

    package func append(_ bytes: [UInt8]) throws(Status) {
        try bytes.withUnsafeBufferPointer { (memory) throws(Status) in try append(UnsafeRawBufferPointer(memory)) }
    }

    package func append(_ bytes: UnsafeRawBufferPointer) throws(Status) {
        if buffer.count + bytes.count > Self.bufferSize { try flush() }
        if bytes.count >= Self.bufferSize {
            try write(bytes)
        } else {
            buffer.append(contentsOf: bytes)
        }
        byteCount += bytes.count
    }

    /// Writes the buffer to the system, so that other processes see the bytes.
    package func flush() throws(Status) {
        guard !buffer.isEmpty else { return }
        let pending = buffer
        buffer.removeAll(keepingCapacity: true)
        try pending.withUnsafeBufferPointer { (memory) throws(Status) in try write(UnsafeRawBufferPointer(memory)) }
    }

    /// Waits until all bytes are on the disk, so that they survive a power failure.
    package func sync() throws(Status) {
        try flush()
        if try FileFaults.stepWithoutDisk() { return }
        guard fsync(descriptor) == 0 else { throw .system(path) }
    }

    /// Flushes and closes the file. Nothing may be appended afterwards; a second call does nothing.
    package func close() throws(Status) {
        guard descriptor >= 0 else { return }
        let flushed = Result { () throws(Status) in try flush() }
        let closed = Self.closeDescriptor(descriptor)
        descriptor = -1
        try flushed.get()
        guard closed == 0 else { throw .system(path) }
    }

    private func write(_ bytes: UnsafeRawBufferPointer) throws(Status) {
        guard descriptor >= 0 else { throw .failedPrecondition("\(path) is closed") }
        var rest = bytes
        while !rest.isEmpty {
            let allowed = try FileFaults.allowed(rest.count)
            guard let base = rest.baseAddress else { return }
            let count = systemWrite(descriptor, base, allowed)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(path) }
            rest = .init(rebasing: rest[count...])
        }
    }

    private static func closeDescriptor(_ descriptor: Int32) -> Int32 { systemClose(descriptor) }
}

// Within the class, these names would refer to its methods.
private func systemWrite(_ descriptor: Int32, _ memory: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, memory, count)
}
private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
