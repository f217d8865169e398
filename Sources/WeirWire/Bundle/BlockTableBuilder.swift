/// Builds a table that `BlockTable`, TensorFlow and LevelDB read. The bytes are the same as those that TensorFlow writes.
///
/// The table is built in memory: a checkpoint needs a few dozen bytes for each tensor.
struct BlockTableBuilder {
    private static let blockSize = 256 << 10

    private var bytes: [UInt8] = []
    private var block = BlockBuilder(restartInterval: 16)
    private var index = BlockBuilder(restartInterval: 1)
    private var lastKey: [UInt8] = []
    /// The last finished block. Its index entry is added when the next key is known, so that the index key can be short.
    private var finished: BlockTable.Handle?

    /// Adds an entry. Keys must ascend.
    mutating func add(_ key: [UInt8], _ value: [UInt8]) {
        precondition(lastKey.isEmpty || lastKey.lexicographicallyPrecedes(key))
        if let handle = finished {
            enter(handle, Self.separator(lastKey, key))
            finished = nil
        }
        block.add(key, value)
        lastKey = key
        if block.byteCount >= Self.blockSize { finishBlock() }
    }

    consuming func finish() -> [UInt8] {
        if !block.isEmpty { finishBlock() }
        let metaindex = write(BlockBuilder(restartInterval: 16))
        if let handle = finished { enter(handle, Self.successor(lastKey)) }
        let index = write(self.index)
        let footerStart = bytes.count
        metaindex.append(to: &bytes)
        index.append(to: &bytes)
        bytes.append(contentsOf: repeatElement(0, count: footerStart + 40 - bytes.count))
        bytes.appendLittleEndian(BlockTable.magic)
        return bytes
    }

    private mutating func finishBlock() {
        finished = write(block)
        block = BlockBuilder(restartInterval: 16)
    }

    private mutating func enter(_ handle: BlockTable.Handle, _ key: [UInt8]) {
        var value: [UInt8] = []
        handle.append(to: &value)
        index.add(key, value)
    }

    private mutating func write(_ block: BlockBuilder) -> BlockTable.Handle {
        // The last byte is the compression type: none.
        let contents = block.finish() + [0]
        let handle = BlockTable.Handle(offset: bytes.count, size: contents.count - 1)
        bytes.append(contentsOf: contents)
        bytes.appendLittleEndian(CRC32C.mask(CRC32C.checksum(contents)))
        return handle
    }

    /// A short key that is not less than `last` and less than `next`.
    private static func separator(_ last: [UInt8], _ next: [UInt8]) -> [UInt8] {
        guard let place = zip(last, next).enumerated().first(where: { $0.element.0 != $0.element.1 })?.offset,
            last[place] < 0xff, last[place] + 1 < next[place]
        else { return last }
        return last[..<place] + [last[place] + 1]
    }

    /// A short key that is not less than `last`.
    private static func successor(_ last: [UInt8]) -> [UInt8] {
        guard let place = last.firstIndex(where: { $0 != 0xff }) else { return last }
        return last[..<place] + [last[place] + 1]
    }
}

/// Builds one block.
struct BlockBuilder {
    private let restartInterval: Int
    private var bytes: [UInt8] = []
    private var restarts: [Int] = [0]
    private var sinceRestart = 0
    private var lastKey: [UInt8] = []

    init(restartInterval: Int) { self.restartInterval = restartInterval }

    var isEmpty: Bool { bytes.isEmpty }
    var byteCount: Int { bytes.count + 4 * restarts.count + 4 }

    mutating func add(_ key: [UInt8], _ value: [UInt8]) {
        var shared = 0
        if sinceRestart < restartInterval {
            shared = zip(lastKey, key).prefix { $0 == $1 }.count
        } else {
            restarts.append(bytes.count)
            sinceRestart = 0
        }
        bytes.appendVarint(UInt64(shared))
        bytes.appendVarint(UInt64(key.count - shared))
        bytes.appendVarint(UInt64(value.count))
        bytes.append(contentsOf: key[shared...])
        bytes.append(contentsOf: value)
        lastKey = key
        sinceRestart += 1
    }

    consuming func finish() -> [UInt8] {
        for offset in restarts { bytes.appendLittleEndian(UInt32(offset)) }
        bytes.appendLittleEndian(UInt32(restarts.count))
        return bytes
    }
}
