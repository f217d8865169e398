import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringSplit`: splits each string at any of some delimiter bytes into a row of a sparse matrix.
    static let stringSplit = OpDefinition(
        "StringSplit", "(input: string, delimiter: string) -> (indices: int64, values: string, shape: int64)",
        "skip_empty: bool = true"
    )
    .shape(sparseMatrix)
    .noGradient()
    .kernel { request in
        let skipsEmpty = try request.bool("skip_empty")
        return .sync { context in
            let delimiter = context.input(1)
            guard delimiter.rank == 0 else {
                throw Status.invalidArgument("delimiter must be a scalar, got shape: \(delimiter.shape)")
            }
            let delimiters = Set(delimiter.elements(ByteString.self)[0].bytes)
            try splitText(context) { text, parts in
                if text.isEmpty { return }
                // Without delimiters each byte is a part.
                if delimiters.isEmpty {
                    for index in text.indices { try parts.add(text[index...index]) }
                    return
                }
                var rest = text[...]
                while true {
                    let part = rest.prefix { !delimiters.contains($0) }
                    if !part.isEmpty || !skipsEmpty { try parts.add(part) }
                    guard part.endIndex < text.endIndex else { return }
                    rest = text[(part.endIndex + 1)...]
                }
            }
        }
    }

    /// `StringSplitV2`: splits each string at a separator, like Python's `split`, into a row of a sparse matrix.
    static let stringSplitV2 = OpDefinition(
        "StringSplitV2", "(input: string, sep: string) -> (indices: int64, values: string, shape: int64)",
        "maxsplit: int = -1"
    )
    .shape(sparseMatrix)
    .noGradient()
    .kernel { request in
        let limit = try request.int("maxsplit")
        return .sync { context in
            let separator = context.input(1)
            guard separator.rank == 0 else {
                throw Status.invalidArgument("sep must be a scalar, got shape: \(separator.shape)")
            }
            let bytes = separator.elements(ByteString.self)[0].bytes
            try splitText(context) { text, parts in
                if limit == 0 { return try parts.add(text[...]) }
                try bytes.isEmpty ? parts.addWords(of: text, limit) : parts.addParts(of: text, at: bytes, limit)
            }
        }
    }
}

@Sendable private func sparseMatrix(_ c: inout ShapeContext) throws {
    try c.requireRank(0, 1)
    try c.requireRank(1, 0)
    c.setOutput(0, .matrix(nil, 2))
    c.setOutput(1, .vector(nil))
    c.setOutput(2, .vector(2))
}

/// Splits each string of input 0 and sets the outputs: the sparse matrix of the parts.
private func splitText(
    _ context: borrowing KernelContext, _ split: (_ text: [UInt8], _ parts: inout SplitParts) throws -> Void
) throws {
    let input = context.input(0)
    guard input.rank == 1 else { throw Status.invalidArgument("input must be a vector, got shape: \(input.shape)") }
    var parts = SplitParts()
    for text in input.elements(ByteString.self) {
        try split(text.bytes, &parts)
        parts.endRow()
    }
    context.setOutput(0, Tensor(parts.indices, ofShape: Shape(parts.values.count, 2)))
    context.setOutput(1, Tensor(parts.values))
    context.setOutput(2, Tensor([Int64(input.elementCount), Int64(parts.columnCount)]))
}

/// The parts of some strings, as a sparse matrix with a row for each string.
private struct SplitParts {
    /// The memory of a part without its bytes: two indices and a reference, each in an array and in a tensor, and the header of
    /// the array of bytes.
    private static let overhead = 2 * (2 * MemoryLayout<Int64>.size + MemoryLayout<ByteString>.size) + 32

    private(set) var indices: [Int64] = []
    private(set) var values: [ByteString] = []
    /// The largest number of parts in a row.
    private(set) var columnCount = 0
    private var row: Int64 = 0
    private var column: Int64 = 0

    /// Adds a part to the current row.
    /// - Throws: `resourceExhausted` when memory runs short. A part of one byte takes about 80 times as much.
    mutating func add(_ part: ArraySlice<UInt8>) throws(Status) {
        try MemoryBudget.take(SplitParts.overhead + part.count)
        indices.append(row)
        indices.append(column)
        values.append(ByteString(Array(part)))
        column += 1
    }

    mutating func endRow() {
        columnCount = max(columnCount, Int(column))
        row += 1
        column = 0
    }

    /// Splits at white space. After `limit` parts, if positive, the rest is one part, even if it is empty.
    mutating func addWords(of text: [UInt8], _ limit: Int) throws(Status) {
        var count = 0
        var rest = text.drop(while: \.isWhitespace)
        while !rest.isEmpty {
            let word = rest.prefix { !$0.isWhitespace }
            try add(word)
            count += 1
            rest = rest[word.endIndex...].drop(while: \.isWhitespace)
            if limit > 0, count == limit { return try add(rest) }
        }
    }

    /// Splits at a separator. Empty parts are kept. After `limit` parts, if positive, the rest is one part.
    mutating func addParts(of text: [UInt8], at separator: [UInt8], _ limit: Int) throws(Status) {
        var count = 0
        var start = 0
        while limit <= 0 || count < limit, let next = text[start...].firstRange(of: separator) {
            try add(text[start..<next.lowerBound])
            count += 1
            start = next.upperBound
        }
        try add(text[start...])
    }
}
