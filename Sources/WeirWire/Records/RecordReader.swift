package import WeirTensor

/// Reads a file of records and verifies all checksums. Not thread-safe.
///
/// A file that is still being written may end in the middle of a record. Then `next` throws `dataLoss` and does not advance,
/// so that the caller can call it again later.
package final class RecordReader {
    /// The size of the read-ahead buffer in bytes. Most records are small, and a system call for each would be slow.
    private let windowSize: Int

    private let file: InputFile
    private var window: [UInt8] = []
    private var windowStart = 0
    private var size: Int?
    /// The offset of the next record in the file.
    package private(set) var offset: Int

    /// - Parameter windowSize: how many bytes are read at a time, at least.
    package init(_ path: String, from offset: Int = 0, windowSize: Int = 256 << 10) throws(Status) {
        file = try InputFile(path)
        self.offset = offset
        self.windowSize = windowSize
    }

    /// Goes to a record, whose offset must be one that this reader had.
    package func move(to offset: Int) { self.offset = offset }

    /// The number of bytes of the next record's data, and where they begin; nil at the end of the file.
    private func header() throws(Status) -> (start: Int, count: Int)? {
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
        return (start, count)
    }

    /// Passes over the next record without reading its data.
    /// - Returns: whether there was one; false at the end of the file.
    /// - Throws: `dataLoss` when the file ends inside the record or the checksum of its length is wrong.
    package func skip() throws(Status) -> Bool {
        guard let (start, count) = try header() else { return false }
        // The file's size does not change while its records are numbered.
        if size == nil { size = try file.byteCount() }
        guard let size, count <= size - start - RecordFrame.footerSize else { throw truncated("data") }
        offset = start + count + RecordFrame.footerSize
        return true
    }

    /// Returns the next record, or nil at the end of the file.
    /// - Throws: `dataLoss` when the file ends inside a record or a checksum is wrong.
    package func next() throws(Status) -> [UInt8]? {
        guard let (start, count) = try header() else { return nil }
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
            window = try file.read(at: position, count: min(available, max(count, windowSize)))
            windowStart = position
        }
        let first = position - windowStart
        return window[first..<first + count]
    }

    private func truncated(_ part: String) -> Status {
        .dataLoss("truncated record at \(offset) of \(file.path): the file ends in its \(part)")
    }
}
