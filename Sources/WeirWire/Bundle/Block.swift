import WeirTensor

/// One block of a table. Entries are sorted by key, and a key is stored without the prefix that it shares with the key
/// before it. Some entries ("restarts") store the whole key, so that a search need not begin at the first entry.
struct Block {
    private let bytes: [UInt8]
    private let entriesEnd: Int
    private let restartCount: Int

    /// - Parameter bytes: the contents, decompressed, without the trailer.
    init(_ bytes: [UInt8]) throws(Status) {
        var count = ByteCursor(bytes.suffix(4), "table block")
        restartCount = Int(try count.littleEndian(UInt32.self))
        guard restartCount <= (bytes.count - 4) / 4 else {
            throw .dataLoss("table block: \(restartCount) restarts do not fit in \(bytes.count) bytes")
        }
        entriesEnd = bytes.count - 4 - 4 * restartCount
        self.bytes = bytes
    }

    /// A cursor over all entries.
    func makeCursor() -> BlockCursor { BlockCursor(bytes[..<entriesEnd]) }

    /// The first entry whose key is not less than `key`; nil when there is none.
    func firstEntry(notBelow key: [UInt8]) throws(Status) -> (key: [UInt8], value: ArraySlice<UInt8>)? {
        // Binary search for the last restart whose key is less than `key`. The entry cannot come before it.
        var low = 0
        var high = max(0, restartCount - 1)
        while low < high {
            let middle = (low + high + 1) / 2
            var cursor = BlockCursor(bytes[try restart(middle)..<entriesEnd])
            guard let entry = try cursor.next() else { throw .dataLoss("table block: restart \(middle) has no entry") }
            if entry.key.lexicographicallyPrecedes(key) { low = middle } else { high = middle - 1 }
        }
        var cursor = restartCount == 0 ? makeCursor() : BlockCursor(bytes[try restart(low)..<entriesEnd])
        while let entry = try cursor.next() {
            if !entry.key.lexicographicallyPrecedes(key) { return entry }
        }
        return nil
    }

    private func restart(_ index: Int) throws(Status) -> Int {
        var cursor = ByteCursor(bytes[(entriesEnd + 4 * index)...], "table block restarts")
        let offset = Int(try cursor.littleEndian(UInt32.self))
        guard offset <= entriesEnd else {
            throw .dataLoss("table block: restart \(index) is at \(offset), the entries end at \(entriesEnd)")
        }
        return offset
    }
}

/// A cursor over the entries of a block. It requires that keys ascend.
struct BlockCursor {
    private var input: ByteCursor
    private var key: [UInt8] = []
    private var isFirst = true
    /// How many more bytes the keys may have in total. With a restart every 16 entries, one byte of the block expands to at most
    /// 16 bytes of keys. Without this limit, a malicious block of a megabyte could expand to gigabytes.
    private var keyBytesLeft: Int

    fileprivate init(_ entries: ArraySlice<UInt8>) {
        input = ByteCursor(entries, "table block")
        keyBytesLeft = 64 * entries.count
    }

    mutating func next() throws(Status) -> (key: [UInt8], value: ArraySlice<UInt8>)? {
        if input.isAtEnd { return nil }
        let shared = try input.size()
        let suffixCount = try input.size()
        let valueCount = try input.size()
        guard shared <= key.count else {
            throw .dataLoss("table block: \(shared) bytes shared with a key of \(key.count)")
        }
        let suffix = try input.bytes(suffixCount)
        // After the shared prefix, the key must be greater than the one before; otherwise a binary search would fail.
        guard isFirst || key[shared...].lexicographicallyPrecedes(suffix) else {
            throw .dataLoss("table block: key of \(shared + suffixCount) bytes is not above the one before")
        }
        isFirst = false
        keyBytesLeft -= shared + suffixCount
        guard keyBytesLeft >= 0 else { throw .dataLoss("table block: too many long keys for its size") }
        key.removeLast(key.count - shared)
        key.append(contentsOf: suffix)
        return (key, try input.bytes(valueCount))
    }
}
