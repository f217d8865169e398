import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `StringNGrams`: the n-grams of each row of a ragged matrix, joined to strings, for one or several widths.
    static let stringNGrams = OpDefinition(
        "StringNGrams", "(data: string, data_splits: Tsplits) -> (ngrams: string, ngrams_splits: Tsplits)",
        "separator: string", "ngram_widths: list(int) >= 0", "left_pad: string", "right_pad: string",
        "pad_width: int", "preserve_short_sequences: bool", "Tsplits: {int32, int64} = int64"
    )
    .shape { c in
        try c.requireRank(0, 1)
        try c.requireRank(1, 1)
        c.setOutput(0, .vector(nil))
        c.setOutput(1, c.input(1))
    }
    .noGradient()
    .kernel(["Tsplits": .index]) { request in
        let grams = try NGrams(request)
        let isWide = try request.type("Tsplits") == .int64
        return .sync { context in
            let data = Array(context.elements(0, ByteString.self))
            let splits = try context.input(1).integers("data_splits")
            // For empty splits TensorFlow outputs as many empty strings as there are input strings.
            if splits.isEmpty {
                context.setOutput(0, try Tensor.zeros(.string, Shape(data.count)))
                return context.setOutput(1, context.input(1))
            }
            try check(splits, data.count)
            var found: [ByteString] = []
            var ends = [0]
            for (start, end) in zip(splits, splits.dropFirst()) {
                found += try grams.of(data[start..<end])
                ends.append(found.count)
            }
            context.setOutput(0, Tensor(found))
            context.setOutput(1, isWide ? Tensor(ends.map { Int64($0) }) : Tensor(ends.map { Int32(clamping: $0) }))
        }
    }
}

private func check(_ splits: [Int], _ count: Int) throws {
    guard let first = splits.first, let last = splits.last else { return }
    guard first == 0 else { throw Status.invalidArgument("First split value must be 0, got \(first)") }
    for (before, after) in zip(splits, splits.dropFirst()) where after < before || after > count {
        throw Status.invalidArgument("Invalid split value \(after), must be in [\(before), \(count)]")
    }
    guard last == count else {
        throw Status.invalidArgument("Last split value must be data size. Expected \(count), got \(last)")
    }
}

private struct NGrams: Sendable {
    /// The limit of widths and padding. More has no use, and takes memory that the size of the input does not bound.
    private static let maximumWidth = 1 << 20

    let separator: [UInt8]
    let widths: [Int]
    let leftPad: ByteString
    let rightPad: ByteString
    let padWidth: Int
    let keepsShort: Bool

    init(_ request: KernelRequest) throws {
        separator = try request.bytes("separator").bytes
        widths = try request.ints("ngram_widths")
        leftPad = try request.bytes("left_pad")
        rightPad = try request.bytes("right_pad")
        padWidth = try request.int("pad_width")
        keepsShort = try request.bool("preserve_short_sequences")
        for width in widths where width < 1 || width > NGrams.maximumWidth {
            throw Status.invalidArgument("ngram_widths must contain positive values, found \(width)")
        }
        guard padWidth <= NGrams.maximumWidth else {
            throw Status.invalidArgument("Pad width \(padWidth) could lead to overflow")
        }
    }

    func of(_ row: ArraySlice<ByteString>) throws -> [ByteString] {
        var grams: [ByteString] = []
        for width in widths {
            // Wider padding would make n-grams of padding only.
            let padding = max(0, padWidth < 0 ? width - 1 : min(padWidth, width - 1))
            try append(row, width, padding, &grams)
        }
        // If a row is too short for every width, `preserve_short_sequences` keeps it as one n-gram.
        if keepsShort, grams.isEmpty, !row.isEmpty, let width = widths.first {
            let padding = max(0, padWidth < 0 ? width - 1 : padWidth)
            try append(row, row.count + 2 * padding, padding, &grams)
        }
        return grams
    }

    private func append(_ row: ArraySlice<ByteString>, _ width: Int, _ padding: Int, _ grams: inout [ByteString]) throws {
        let padded = Array(repeating: leftPad, count: padding) + row + Array(repeating: rightPad, count: padding)
        guard padded.count >= width else { return }
        for start in 0...padded.count - width {
            try MemoryBudget.take(padded[start..<start + width].reduce(0) { $0 &+ $1.count &+ separator.count })
            grams.append(ByteString(Array(padded[start..<start + width].map(\.bytes).joined(separator: separator))))
        }
    }
}
