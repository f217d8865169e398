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
            try splitText(context) { text in
                if text.bytes.isEmpty { return [] }
                // Without delimiters each byte is a part.
                if delimiters.isEmpty { return text.bytes.indices.map { text.bytes[$0...$0] } }
                return text.bytes.split(omittingEmptySubsequences: skipsEmpty, whereSeparator: delimiters.contains)
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
            try splitText(context) { text in
                if limit == 0 { return [text.bytes[...]] }
                return bytes.isEmpty ? words(text.bytes, limit) : parts(text.bytes, bytes, limit)
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

private func splitText(_ context: borrowing KernelContext, _ parts: (ByteString) -> [ArraySlice<UInt8>]) throws {
    let input = context.input(0)
    guard input.rank == 1 else { throw Status.invalidArgument("input must be a vector, got shape: \(input.shape)") }
    var indices: [Int64] = []
    var values: [ByteString] = []
    var columnCount = 0
    for (row, text) in input.elements(ByteString.self).enumerated() {
        let found = parts(text)
        for (column, part) in found.enumerated() {
            indices += [Int64(row), Int64(column)]
            values.append(ByteString(Array(part)))
        }
        columnCount = max(columnCount, found.count)
    }
    context.setOutput(0, Tensor(indices, ofShape: Shape(values.count, 2)))
    context.setOutput(1, Tensor(values))
    context.setOutput(2, Tensor([Int64(input.elementCount), Int64(columnCount)]))
}

/// Splits at white space. After `limit` parts, if positive, the rest is one part, even if it is empty.
private func words(_ text: [UInt8], _ limit: Int) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    var rest = text.drop(while: \.isWhitespace)
    while !rest.isEmpty {
        let word = rest.prefix { !$0.isWhitespace }
        found.append(word)
        rest = rest[word.endIndex...].drop(while: \.isWhitespace)
        if limit > 0, found.count == limit { return found + [rest] }
    }
    return found
}

/// Splits at a separator. Empty parts are kept. After `limit` parts, if positive, the rest is one part.
private func parts(_ text: [UInt8], _ separator: [UInt8], _ limit: Int) -> [ArraySlice<UInt8>] {
    var found: [ArraySlice<UInt8>] = []
    var start = 0
    while limit <= 0 || found.count < limit, let next = text[start...].firstRange(of: separator) {
        found.append(text[start..<next.lowerBound])
        start = next.upperBound
    }
    return found + [text[start...]]
}
