import Glibc
package import WeirTensor

/// A file open for random-access reading. Thread-safe: reads do not share a position.
package final class InputFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// Opens a file.
    /// - Throws: `notFound` when there is no such file; for other errors see `Status.system`.
    package init(_ path: String) throws(Status) {
        // O_NONBLOCK: opening a pipe must not wait for its writer. A pipe does not support random access anyway.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(path) }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    /// The current size in bytes. It grows while the file is appended to.
    package func byteCount() throws(Status) -> Int {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .system(path) }
        guard facts.st_mode & S_IFMT != S_IFDIR else { throw .failedPrecondition("\(path); Is a directory") }
        return Int(facts.st_size)
    }

    /// Fills `memory` with the bytes from `offset` on.
    /// - Returns: the number of bytes read; less than requested only at the end of the file.
    package func read(at offset: Int, into memory: UnsafeMutableRawBufferPointer) throws(Status) -> Int {
        var filled = 0
        while filled < memory.count {
            let (position, overflow) = offset.addingReportingOverflow(filled)
            guard !overflow, offset >= 0 else { throw .dataLoss("\(path): offset \(offset) is outside any file") }
            let count = pread(descriptor, memory.baseAddress! + filled, memory.count - filled, off_t(position))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw .system(path) }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    /// Reads exactly `count` bytes at `offset`. The range is checked before memory is allocated.
    /// - Throws: `dataLoss` when the file ends earlier.
    package func read(at offset: Int, count: Int) throws(Status) -> [UInt8] {
        try check(offset, count)
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try bytes.withUnsafeMutableBufferPointer { (memory) throws(Status) in
            try read(at: offset, into: .init(memory))
        }
        guard got == count else { throw .dataLoss("\(path): \(count) bytes expected at \(offset), found \(got)") }
        return bytes
    }

    /// Fills `memory` completely with the bytes from `offset` on.
    /// - Throws: `dataLoss` when the file ends earlier.
    package func readAll(at offset: Int, into memory: UnsafeMutableRawBufferPointer) throws(Status) {
        let got = try read(at: offset, into: memory)
        guard got == memory.count else {
            throw .dataLoss("\(path): \(memory.count) bytes expected at \(offset), found \(got)")
        }
    }

    /// Checks that a range lies within this file. Ranges come from the contents of files, and may be wrong.
    package func check(_ offset: Int, _ count: Int) throws(Status) {
        let size = try byteCount()
        guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
            throw .dataLoss("\(path): \(count) bytes expected at \(offset), the file has \(size)")
        }
    }

    /// The most bytes that are read beyond the size that the file reports. Some files, such as `/dev/zero`, never end.
    private static let maximumUnreportedByteCount = 64 << 20

    /// Reads a whole file, also one that reports no size, such as those in `/proc`.
    /// - Throws: `resourceExhausted` when the file has many more bytes than it reports.
    package static func contents(of path: String) throws(Status) -> [UInt8] {
        let file = try InputFile(path)
        let told = try file.byteCount()
        var bytes = [UInt8](repeating: 0, count: told)
        var filled = 0
        while true {
            let position = filled
            filled += try bytes.withUnsafeMutableBufferPointer { (memory) throws(Status) in
                try file.read(at: position, into: .init(.init(rebasing: memory[position...])))
            }
            if filled < bytes.count { break }
            guard filled - told <= maximumUnreportedByteCount else {
                throw .resourceExhausted("\(path) has more than \(maximumUnreportedByteCount) bytes beyond the \(told) that it tells")
            }
            bytes.append(contentsOf: repeatElement(0, count: max(4096, bytes.count / 8)))
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }
}
