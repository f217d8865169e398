import WeirTensor

// How a tensor is stored in a shard. Bitwise types are stored as in memory. Strings are stored as the varint lengths of all
// elements, a checksum of the lengths, and the bytes of all elements. Both checksums treat a length as four bytes (eight if
// it needs them), not as the stored varint.

extension InputFile {
    /// Checks that an entry has the size that its dtype and shape require, and lies within the shard.
    func checkEntry(_ entry: BundleEntry, _ key: ByteString) throws(Status) {
        let count = entry.shape.elementCount
        switch entry.dtype {
        case .resource, .variant:
            throw .unimplemented("Checkpoint entry \(key): tensors of \(entry.dtype) are not read")
        case .string:
            // Each element takes at least one byte, for its length.
            guard entry.size >= 4, count <= entry.size - 4 else {
                throw .dataLoss("\(entry.size) bytes are too few for the \(count) strings of \(key)")
            }
        default:
            let (expected, overflow) = count.multipliedReportingOverflow(by: entry.dtype.byteCount)
            guard !overflow, entry.size == expected else {
                throw .dataLoss(
                    "\(entry.size) bytes stored for \(key), expected \(count) elements of \(entry.dtype)")
            }
        }
        try check(entry.offset, entry.size)
    }

    func read(_ entry: BundleEntry, _ key: ByteString) throws(Status) -> Tensor {
        try checkEntry(entry, key)
        if entry.dtype == .string { return try readStrings(entry, key) }
        let tensor = try Tensor(entry.dtype, entry.shape)
        try readAll(at: entry.offset, into: tensor.mutableBytes)
        try checkCRC(CRC32C.extend(0, tensor.bytes), entry, key)
        if entry.dtype == .bool {
            // Any byte other than 0 means true in the file; a Swift Bool must be 0 or 1.
            for index in tensor.mutableBytes.indices where tensor.bytes[index] > 1 { tensor.mutableBytes[index] = 1 }
        }
        return tensor
    }

    private func readStrings(_ entry: BundleEntry, _ key: ByteString) throws(Status) -> Tensor {
        let bytes = try read(at: entry.offset, count: entry.size)
        var cursor = ByteCursor(bytes[...], "strings of \(key)")
        var lengths: [Int] = []
        lengths.reserveCapacity(entry.shape.elementCount)
        var crc: UInt32 = 0
        for _ in 0..<entry.shape.elementCount {
            lengths.append(try cursor.size())
            crc = CRC32C.extend(crc, length: lengths[lengths.count - 1])
        }
        let stored = try cursor.bytes(4)
        var checksum = ByteCursor(stored, "checksum of lengths")
        guard try checksum.littleEndian(UInt32.self) == CRC32C.mask(crc) else {
            throw .dataLoss("The checksum of the string lengths of \(key) is wrong")
        }
        crc = CRC32C.extend(crc, stored)
        let tensor = try Tensor(.string, entry.shape)
        let elements = tensor.mutableElements(ByteString.self)
        for (index, length) in lengths.enumerated() {
            let text = try cursor.bytes(length)
            crc = CRC32C.extend(crc, text)
            elements[index] = ByteString(Array(text))
        }
        guard cursor.isAtEnd else { throw .dataLoss("\(cursor.remaining) bytes are left after the strings of \(key)") }
        try checkCRC(crc, entry, key)
        return tensor
    }

    private func checkCRC(_ crc: UInt32, _ entry: BundleEntry, _ key: ByteString) throws(Status) {
        guard CRC32C.mask(crc) == entry.maskedCRC else {
            throw .dataLoss(
                "Checksum does not match for \(key): stored \(CRC32C.unmask(entry.maskedCRC)) vs. calculated on the "
                    + "restored bytes \(crc)")
        }
    }
}

extension AtomicFile {
    /// Appends the elements of a tensor.
    /// - Returns: the checksum for its entry, not masked.
    /// - Throws: `unimplemented` for resources and variants.
    func append(_ tensor: Tensor) throws(Status) -> UInt32 {
        switch tensor.dtype {
        case .resource, .variant: throw .unimplemented("Tensors of \(tensor.dtype) cannot be saved in a checkpoint")
        case .string: return try appendStrings(tensor)
        default:
            try append(tensor.bytes)
            return CRC32C.extend(0, tensor.bytes)
        }
    }

    private func appendStrings(_ tensor: Tensor) throws(Status) -> UInt32 {
        let elements = tensor.elements(ByteString.self)
        var head: [UInt8] = []
        var crc: UInt32 = 0
        for element in elements {
            head.appendVarint(UInt64(element.count))
            crc = CRC32C.extend(crc, length: element.count)
        }
        var checksum: [UInt8] = []
        checksum.appendLittleEndian(CRC32C.mask(crc))
        crc = CRC32C.extend(crc, checksum)
        try append(head)
        try append(checksum)
        for element in elements {
            try append(element.bytes)
            crc = CRC32C.extend(crc, element.bytes)
        }
        return crc
    }
}

extension CRC32C {
    fileprivate static func extend(_ crc: UInt32, length: Int) -> UInt32 {
        var bytes: [UInt8] = []
        if let short = UInt32(exactly: length) {
            bytes.appendLittleEndian(short)
        } else {
            bytes.appendLittleEndian(UInt64(length))
        }
        return extend(crc, bytes)
    }
}
