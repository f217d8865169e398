#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif
package import WeirTensor

/// A file open for reading at any place. Reads do not share a position, so any number of threads may read at once.
package final class InputFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// - Throws: `notFound` when there is no such file, or what else the system says.
    package init(_ path: String) throws(Status) {
        // A pipe's other end is not waited for: nothing can be read of one at a place.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else { throw .system(path) }
        self.path = path
        self.descriptor = descriptor
    }

    deinit { _ = close(descriptor) }

    /// Its size now; a file that is being appended to grows.
    package func byteCount() throws(Status) -> Int {
        var facts = stat()
        guard fstat(descriptor, &facts) == 0 else { throw .system(path) }
        guard facts.st_mode & S_IFMT != S_IFDIR else { throw .failedPrecondition("\(path); Is a directory") }
        return Int(facts.st_size)
    }

    /// Fills `memory` from `offset` on.
    /// - Returns: how many bytes there were, fewer than asked for only at the end of the file.
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

    /// The bytes at `offset`, which must all be there. No memory is taken for what is not.
    /// - Throws: `dataLoss` when the file ends before.
    package func read(at offset: Int, count: Int) throws(Status) -> [UInt8] {
        try check(offset, count)
        var bytes = [UInt8](repeating: 0, count: count)
        let got = try bytes.withUnsafeMutableBufferPointer { (memory) throws(Status) in
            try read(at: offset, into: .init(memory))
        }
        guard got == count else { throw .dataLoss("\(path): \(count) bytes expected at \(offset), found \(got)") }
        return bytes
    }

    /// Fills all of `memory` from `offset` on.
    /// - Throws: `dataLoss` when the file ends before.
    package func readAll(at offset: Int, into memory: UnsafeMutableRawBufferPointer) throws(Status) {
        let got = try read(at: offset, into: memory)
        guard got == memory.count else {
            throw .dataLoss("\(path): \(memory.count) bytes expected at \(offset), found \(got)")
        }
    }

    /// Checks that a range claimed by the contents of some file lies in this one.
    package func check(_ offset: Int, _ count: Int) throws(Status) {
        let size = try byteCount()
        guard offset >= 0, count >= 0, offset <= size, count <= size - offset else {
            throw .dataLoss("\(path): \(count) bytes expected at \(offset), the file has \(size)")
        }
    }

    /// What a file may have that tells no size: some, such as `/dev/zero`, never end.
    private static let maximumUntoldByteCount = 64 << 20

    /// A whole file. Also reads files that tell no size, such as those of `/proc`.
    /// - Throws: `resourceExhausted` for one that has much more than it tells.
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
            guard filled - told <= maximumUntoldByteCount else {
                throw .resourceExhausted("\(path) has more than \(maximumUntoldByteCount) bytes beyond the \(told) that it tells")
            }
            bytes.append(contentsOf: repeatElement(0, count: max(4096, bytes.count / 8)))
        }
        bytes.removeLast(bytes.count - filled)
        return bytes
    }
}
