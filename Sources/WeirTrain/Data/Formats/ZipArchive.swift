package import WeirTensor
import WeirWire

/// Reads zip archives: stored and deflated entries, also of the format's 64-bit extension. Every place and size in the archive is
/// checked against the file before memory is allocated, and no two entries may share bytes.
package struct ZipArchive {
    package struct Entry: Sendable {
        package var name: String
        fileprivate(set) var method: UInt16
        fileprivate(set) var compressedCount: Int
        fileprivate(set) var byteCount: Int
        fileprivate(set) var checksum: UInt32
        /// The offset of the entry's own header.
        fileprivate(set) var offset: Int
        /// The offset of its bytes.
        fileprivate(set) var start = 0
    }

    package let entries: [Entry]
    private let file: InputFile

    /// - Throws: `dataLoss` when the file is no such archive; the error of a file that cannot be read.
    package init(_ path: String) throws(Status) {
        file = try InputFile(path)
        let directory = try ZipArchive.directory(of: file)
        var cursor = ByteCursor(try file.read(at: directory.offset, count: directory.byteCount)[...], "\(path): the archive's directory")
        var entries: [Entry] = []
        while !cursor.isAtEnd { entries.append(try ZipArchive.entry(&cursor, path)) }
        guard entries.count == directory.count else {
            throw .dataLoss("\(path): expected \(directory.count) entries in the archive's directory, found \(entries.count)")
        }
        for index in entries.indices { try ZipArchive.locate(&entries[index], in: file, before: directory.offset) }
        var end = 0
        for entry in entries.sorted(by: { $0.offset < $1.offset }) {
            guard entry.offset >= end else {
                throw .dataLoss("\(path): entry '\(entry.name)' begins at \(entry.offset), inside of another, which ends at \(end)")
            }
            end = entry.start + entry.compressedCount
        }
        self.entries = entries
    }

    /// The bytes of an entry.
    /// - Throws: `dataLoss` when they are damaged; `unimplemented` when they are compressed in another way than deflate.
    package func contents(of entry: Entry) throws(Status) -> [UInt8] {
        let place = "\(file.path): entry '\(entry.name)'"
        let stored = try file.read(at: entry.start, count: entry.compressedCount)
        let bytes: [UInt8]
        switch entry.method {
        case 0:
            guard entry.byteCount == entry.compressedCount else {
                throw .dataLoss("\(place): expected \(entry.byteCount) bytes, found \(entry.compressedCount) stored")
            }
            bytes = stored
        case 8:
            guard entry.byteCount <= Inflater.maximumByteCount(of: entry.compressedCount) else {
                throw .dataLoss("\(place): \(entry.compressedCount) compressed bytes cannot become \(entry.byteCount)")
            }
            bytes = try Inflater.inflate(stored, .raw, expected: entry.byteCount, place)
        default: throw .unimplemented("\(place): expected bytes that are stored or deflated, found compression method \(entry.method)")
        }
        let checksum = Inflater.checksum(bytes)
        guard checksum == entry.checksum else {
            throw .dataLoss("\(place): expected the checksum \(String(entry.checksum, radix: 16)), found \(String(checksum, radix: 16))")
        }
        return bytes
    }

    // MARK: The directory

    private static func directory(of file: InputFile) throws(Status) -> (offset: Int, byteCount: Int, count: Int) {
        let size = try file.byteCount()
        // The end record has 22 bytes, a comment of at most 65,535, and before it the place of its 64-bit form.
        let tailStart = max(0, size - 22 - 65_535 - 20)
        let tail = try file.read(at: tailStart, count: size - tailStart)
        guard tail.count >= 22, let end = (0...tail.count - 22).last(where: { isEnd(tail, $0) }) else {
            throw .dataLoss("\(file.path): expected a zip archive, found no end record in the last \(tail.count) bytes")
        }
        var cursor = ByteCursor(tail[(end + 10)...], "\(file.path): the archive's end record")
        var count = Int(try cursor.littleEndian(UInt16.self))
        var byteCount = Int(try cursor.littleEndian(UInt32.self))
        var offset = Int(try cursor.littleEndian(UInt32.self))
        if count == 0xffff || byteCount == 0xffff_ffff || offset == 0xffff_ffff, end >= 20, tail[(end - 20)...].starts(with: [0x50, 0x4b, 6, 7]) {
            var locator = ByteCursor(tail[(end - 12)...], "\(file.path): the place of the archive's 64-bit end record")
            let place = try whole(locator.littleEndian(UInt64.self), file.path)
            var record = ByteCursor(try file.read(at: place, count: 56)[...], "\(file.path): the archive's 64-bit end record")
            guard try record.littleEndian(UInt32.self) == 0x0606_4b50 else {
                throw .dataLoss("\(file.path): expected the archive's 64-bit end record at \(place)")
            }
            _ = try record.bytes(28)
            count = try whole(record.littleEndian(UInt64.self), file.path)
            byteCount = try whole(record.littleEndian(UInt64.self), file.path)
            offset = try whole(record.littleEndian(UInt64.self), file.path)
        }
        try file.check(offset, byteCount)
        return (offset, byteCount, count)
    }

    private static func isEnd(_ bytes: [UInt8], _ start: Int) -> Bool {
        guard bytes[start] == 0x50, bytes[start + 1] == 0x4b, bytes[start + 2] == 5, bytes[start + 3] == 6 else { return false }
        return start + 22 + Int(bytes[start + 20]) + Int(bytes[start + 21]) << 8 == bytes.count
    }

    private static func whole(_ value: UInt64, _ path: String) throws(Status) -> Int {
        guard let number = Int(exactly: value) else { throw .dataLoss("\(path): \(value) is no place or size in an archive") }
        return number
    }

    private static func entry(_ cursor: inout ByteCursor, _ path: String) throws(Status) -> Entry {
        guard try cursor.littleEndian(UInt32.self) == 0x0201_4b50 else {
            throw .dataLoss("\(path): expected an entry in the archive's directory, \(cursor.remaining + 4) bytes before its end")
        }
        _ = try cursor.bytes(4)
        let flags = try cursor.littleEndian(UInt16.self), method = try cursor.littleEndian(UInt16.self)
        _ = try cursor.bytes(4)
        let checksum = try cursor.littleEndian(UInt32.self)
        var sizes: [Int] = []
        for _ in 0..<2 { sizes.append(Int(try cursor.littleEndian(UInt32.self))) }
        let nameCount = Int(try cursor.littleEndian(UInt16.self)), extraCount = Int(try cursor.littleEndian(UInt16.self))
        let commentCount = Int(try cursor.littleEndian(UInt16.self))
        _ = try cursor.bytes(8)
        sizes.append(Int(try cursor.littleEndian(UInt32.self)))
        let name = String(decoding: try cursor.bytes(nameCount), as: UTF8.self)
        var extra = ByteCursor(try cursor.bytes(extraCount), "\(path): entry '\(name)' in the archive's directory")
        _ = try cursor.bytes(commentCount)
        while extra.remaining >= 4 {
            let kind = try extra.littleEndian(UInt16.self), count = Int(try extra.littleEndian(UInt16.self))
            var field = ByteCursor(try extra.bytes(count), "\(path): the 64-bit sizes of entry '\(name)'")
            guard kind == 1 else { continue }
            // The full size, the compressed size and the place, those that 32 bits do not hold.
            for index in [1, 0, 2] where sizes[index] == 0xffff_ffff { sizes[index] = try whole(field.littleEndian(UInt64.self), path) }
        }
        guard flags & 1 == 0 else { throw .unimplemented("\(path): expected entries that are not encrypted, found '\(name)'") }
        return Entry(name: name, method: method, compressedCount: sizes[0], byteCount: sizes[1], checksum: checksum, offset: sizes[2])
    }

    /// Finds the bytes of an entry, which follow its own header.
    private static func locate(_ entry: inout Entry, in file: InputFile, before end: Int) throws(Status) {
        var cursor = ByteCursor(try file.read(at: entry.offset, count: 30)[...], "\(file.path): the header of entry '\(entry.name)'")
        guard try cursor.littleEndian(UInt32.self) == 0x0403_4b50 else {
            throw .dataLoss("\(file.path): expected the header of entry '\(entry.name)' at \(entry.offset)")
        }
        _ = try cursor.bytes(22)
        let nameCount = Int(try cursor.littleEndian(UInt16.self)), extraCount = Int(try cursor.littleEndian(UInt16.self))
        entry.start = entry.offset + 30 + nameCount + extraCount
        guard entry.start <= end, entry.compressedCount <= end - entry.start else {
            throw .dataLoss("\(file.path): entry '\(entry.name)' has \(entry.compressedCount) bytes at \(entry.start), expected an end before \(end)")
        }
    }
}

/// Writes zip archives of stored entries.
package struct ZipWriter {
    private let file: AtomicFile
    private var directory: [UInt8] = []
    private var count = 0

    package init(_ path: String) throws(Status) { file = try AtomicFile(path) }

    /// - Throws: `unimplemented` for an entry or an archive of 4 GiB or more, which need the format's 64-bit extension.
    package mutating func append(_ name: String, _ bytes: [UInt8]) throws(Status) {
        let (offset, path) = (file.byteCount, file.destination)
        guard let size = UInt32(exactly: bytes.count), let place = UInt32(exactly: offset), size < .max, place < .max, count < 0xfffe,
            let nameCount = UInt16(exactly: name.utf8.count)
        else { throw .unimplemented("\(path): an archive of less than 4 GiB is written; entry '\(name)' has \(bytes.count) bytes, at \(offset)") }
        // Version 2.0, no flags, stored, the first date that the format has.
        var facts: [UInt8] = [20, 0, 0, 0, 0, 0, 0, 0, 0x21, 0]
        facts.appendLittleEndian(Inflater.checksum(bytes))
        facts.appendLittleEndian(size)
        facts.appendLittleEndian(size)
        facts.appendLittleEndian(nameCount)
        facts += [0, 0]
        try file.append([0x50, 0x4b, 3, 4] + facts + Array(name.utf8))
        try file.append(bytes)
        // In the directory, no comment, the first disk and no attributes follow.
        directory += [0x50, 0x4b, 1, 2, 20, 0] + facts + [UInt8](repeating: 0, count: 10)
        directory.appendLittleEndian(place)
        directory += Array(name.utf8)
        count += 1
    }

    /// Writes the directory. Without it there is no file.
    package func finish() throws(Status) {
        guard let offset = UInt32(exactly: file.byteCount), offset < .max, let size = UInt32(exactly: directory.count), let count = UInt16(exactly: count)
        else {
            throw .unimplemented("\(file.destination): an archive of less than 4 GiB is written, found \(file.byteCount) bytes")
        }
        var end: [UInt8] = [0x50, 0x4b, 5, 6, 0, 0, 0, 0]
        end.appendLittleEndian(count)
        end.appendLittleEndian(count)
        end.appendLittleEndian(size)
        end.appendLittleEndian(offset)
        try file.append(directory + end + [0, 0])
        try file.commit()
    }
}
