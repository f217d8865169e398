package import WeirTensor

/// Decompresses Snappy. TensorFlow 1's first checkpoint format and other table writers compress blocks with it.
package enum Snappy {
    /// The greatest expansion of the format: a copy of 64 bytes takes 3 bytes; rounded up.
    private static let largestRatio = 32

    /// - Throws: `dataLoss` when the input is not exactly one Snappy stream.
    package static func decompress(_ compressed: ArraySlice<UInt8>) throws(Status) -> [UInt8] {
        var input = ByteCursor(compressed, "snappy block")
        let count = try input.size()
        // Do not allocate more memory than the compressed bytes can expand to.
        guard count / largestRatio <= compressed.count else {
            throw .dataLoss("snappy block: \(compressed.count) bytes cannot expand to the \(count) they claim")
        }
        var output: [UInt8] = []
        output.reserveCapacity(count)
        while !input.isAtEnd {
            let tag = Int(try input.byte())
            let length: Int
            let distance: Int
            switch tag & 3 {
            case 0:
                output.append(contentsOf: try input.bytes(try literalLength(tag >> 2, &input)))
                try checkRoom(output.count, of: count)
                continue
            case 1:
                length = 4 + (tag >> 2 & 7)
                distance = (tag >> 5) << 8 | Int(try input.byte())
            case 2:
                length = 1 + tag >> 2
                distance = Int(try input.littleEndian(UInt16.self))
            default:
                length = 1 + tag >> 2
                distance = Int(try input.littleEndian(UInt32.self))
            }
            guard distance > 0, distance <= output.count else {
                throw .dataLoss("snappy block: copy from \(distance) bytes back, \(output.count) are there")
            }
            try checkRoom(output.count + length, of: count)
            // Byte by byte: source and destination of a copy may overlap, which repeats the bytes.
            for _ in 0..<length { output.append(output[output.count - distance]) }
        }
        guard output.count == count else {
            throw .dataLoss("snappy block: \(output.count) bytes came out, \(count) were announced")
        }
        return output
    }

    private static func literalLength(_ code: Int, _ input: inout ByteCursor) throws(Status) -> Int {
        guard code >= 60 else { return code + 1 }
        var length = 0
        for index in 0..<(code - 59) { length |= Int(try input.byte()) << (8 * index) }
        return length + 1
    }

    private static func checkRoom(_ needed: Int, of count: Int) throws(Status) {
        guard needed <= count else { throw .dataLoss("snappy block: more bytes come out than the \(count) announced") }
    }
}
