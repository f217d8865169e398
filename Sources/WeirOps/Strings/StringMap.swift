import WeirGraph
import WeirKernels
import WeirTensor

/// Makes a kernel that applies `transform` to each string of input 0.
func stringMap(_ transform: @escaping @Sendable (ByteString) throws -> ByteString) -> Kernel {
    .sync { context in
        let input = context.input(0)
        let output = try context.output(0, .string, input.shape).mutableElements(ByteString.self)
        for (index, text) in input.elements(ByteString.self).enumerated() {
            output[index] = try transform(text)
            try MemoryBudget.take(output[index].count)
        }
    }
}

extension UInt8 {
    /// Whether the byte is white space by C's `isspace`: space, tab, line feed, vertical tab, form feed, carriage return.
    var isWhitespace: Bool { self == 0x20 || 0x09...0x0d ~= self }
    /// Whether the byte is a continuation byte of UTF-8.
    var isUTF8Continuation: Bool { self & 0xc0 == 0x80 }
}

extension [UInt8] {
    /// The bytes without white space at both ends.
    var stripped: ArraySlice<UInt8> {
        guard let first = firstIndex(where: { !$0.isWhitespace }), let last = lastIndex(where: { !$0.isWhitespace }) else {
            return []
        }
        return self[first...last]
    }
}
