import WeirTensor

/// Reads a sorted table of keys and values from a file, one block at a time. Checkpoints use this format of LevelDB.
///
/// Not thread-safe, because it caches the block that was read last.
final class BlockTable {
    static let footerSize = 48
    static let trailerSize = 5
    static let magic: UInt64 = 0xdb47_7524_8b80_fb57

    /// The position of a block in the file, without its trailer.
    struct Handle: Hashable {
        var offset: Int
        var size: Int

        init(offset: Int, size: Int) {
            self.offset = offset
            self.size = size
        }
        init(_ cursor: inout ByteCursor) throws(Status) {
            offset = try cursor.size()
            size = try cursor.size()
        }
        func append(to bytes: inout [UInt8]) {
            bytes.appendVarint(UInt64(offset))
            bytes.appendVarint(UInt64(size))
        }
    }

    private let file: InputFile
    private let index: Block
    private var latest: (handle: Handle, block: Block)?

    /// Opens a table and reads its index.
    /// - Throws: `notFound` when there is no such file, `dataLoss` when it is not a table.
    init(_ path: String) throws(Status) {
        file = try InputFile(path)
        let size = try file.byteCount()
        guard size >= Self.footerSize else {
            throw .dataLoss("\(path): \(size) bytes are too few for a table, whose footer alone has \(Self.footerSize)")
        }
        let footer = try file.read(at: size - Self.footerSize, count: Self.footerSize)
        var magic = ByteCursor(footer.suffix(8), "table footer")
        guard try magic.littleEndian(UInt64.self) == Self.magic else {
            throw .dataLoss("\(path): not a table (bad magic number)")
        }
        var handles = ByteCursor(footer.prefix(40), "table footer")
        // The first handle is that of the metaindex block, which Weir does not use.
        _ = try Handle(&handles)
        index = try Self.readBlock(try Handle(&handles), file)
    }

    /// The value of a key; nil when the table does not have the key.
    func value(of key: [UInt8]) throws(Status) -> ArraySlice<UInt8>? {
        // The index key of a block is not less than the block's last key, so only the first such block can contain `key`.
        guard let place = try index.firstEntry(notBelow: key) else { return nil }
        guard let entry = try block(place.value).firstEntry(notBelow: key), entry.key == key else { return nil }
        return entry.value
    }

    /// Calls `body` for every entry, in key order.
    func forEach(_ body: ([UInt8], ArraySlice<UInt8>) throws(Status) -> Void) throws(Status) {
        var places = index.makeCursor()
        while let place = try places.next() {
            var entries = try block(place.value).makeCursor()
            while let entry = try entries.next() { try body(entry.key, entry.value) }
        }
    }

    private func block(_ encodedHandle: ArraySlice<UInt8>) throws(Status) -> Block {
        var cursor = ByteCursor(encodedHandle, "table index")
        let handle = try Handle(&cursor)
        if let latest, latest.handle == handle { return latest.block }
        let block = try Self.readBlock(handle, file)
        latest = (handle, block)
        return block
    }

    private static func readBlock(_ handle: Handle, _ file: InputFile) throws(Status) -> Block {
        guard handle.size <= Int.max - trailerSize else {
            throw .dataLoss("\(file.path): block of \(handle.size) bytes")
        }
        var bytes = try file.read(at: handle.offset, count: handle.size + trailerSize)
        var trailer = ByteCursor(bytes.suffix(4), "block trailer")
        let stored = try trailer.littleEndian(UInt32.self)
        bytes.removeLast(4)
        guard CRC32C.mask(CRC32C.checksum(bytes)) == stored else {
            throw .dataLoss("\(file.path): the checksum of the block at \(handle.offset) is wrong")
        }
        switch bytes.removeLast() {
        case 0: return try Block(bytes)
        case 1: return try Block(try Snappy.decompress(bytes[...]))
        case let type: throw .dataLoss("\(file.path): block type \(type) is neither plain (0) nor snappy (1)")
        }
    }
}
