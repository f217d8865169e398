package import WeirTensor

/// Reads a file of records and verifies all checksums. Not thread-safe.
///
/// A file that is still being written may end in the middle of a record. Then `next` throws `dataLoss` and does not advance,
/// so that the caller can call it again later.
package final class RecordReader {
    /// The size of the read-ahead buffer in bytes. Most records are small, and a system call for each would be slow.
    private static let windowSize = 256 << 10

    private let file: InputFile
    private var window: [UInt8] = []
    private var windowStart = 0
    /// The offset of the next record in the file.
    package private(set) var offset: Int

    package init(_ path: String, from offset: Int = 0) throws(Status) {
        file = try InputFile(path)
        self.offset = offset
    }

    /// Returns the next record, or nil at the end of the file.
    /// - Throws: `dataLoss` when the file ends inside a record or a checksum is wrong.
    package func next() throws(Status) -> [UInt8]? {
        guard let header = try bytes(at: offset, RecordFrame.headerSize, of: "header") else { return nil }
        var cursor = ByteCursor(header, "record header")
        let length = try cursor.littleEndian(UInt64.self)
        let checksum = try cursor.littleEndian(UInt32.self)
        guard CRC32C.mask(CRC32C.checksum(header.prefix(8))) == checksum else {
            throw .dataLoss("corrupted record at \(offset) of \(file.path): the checksum of its length is wrong")
        }
        let start = offset + RecordFrame.headerSize
        guard let count = Int(exactly: length), count <= Int.max - start - RecordFrame.footerSize else {
            throw .dataLoss("corrupted record at \(offset) of \(file.path): its length is \(length)")
        }
        guard let body = try bytes(at: start, count + RecordFrame.footerSize, of: "data") else {
            throw truncated("data")
        }
        let data = body.dropLast(RecordFrame.footerSize)
        var footer = ByteCursor(body.suffix(RecordFrame.footerSize), "record checksum")
        guard CRC32C.mask(CRC32C.checksum(data)) == (try footer.littleEndian(UInt32.self)) else {
            throw .dataLoss(
                "corrupted record at \(offset) of \(file.path): the checksum of its \(count) bytes is wrong")
        }
        offset = start + body.count
        return Array(data)
    }

    /// Returns `count` bytes of the file; nil when the file ends exactly at `position`.
    private func bytes(at position: Int, _ count: Int, of part: String) throws(Status) -> ArraySlice<UInt8>? {
        if position < windowStart || position + count > windowStart + window.count {
            // The length is checked against the file's size before memory is allocated.
            let available = max(0, try file.byteCount() - position)
            if available == 0 { return nil }
            guard available >= count else { throw truncated(part) }
            window = try file.read(at: position, count: min(available, max(count, Self.windowSize)))
            windowStart = position
        }
        let first = position - windowStart
        return window[first..<first + count]
    }

    private func truncated(_ part: String) -> Status {
        .dataLoss("truncated record at \(offset) of \(file.path): the file ends in its \(part)")
    }
}
