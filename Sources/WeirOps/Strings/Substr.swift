import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `Substr`: a part of each string, by position and length in bytes or characters. A negative position counts from the
    /// end.
    static let substr = OpDefinition(
        "Substr", "(input: string, pos: T, len: T) -> (output: string)", "T: {int32, int64}",
        "unit: {'BYTE', 'UTF8_CHAR'} = 'BYTE'"
    )
    .shape(substringShape)
    .noGradient()
    .kernel(["T": .index]) { request in
        let countsCharacters = try request.string("unit") == "UTF8_CHAR"
        return .sync { context in try cut(context, countsCharacters) }
    }
}

@Sendable private func substringShape(_ c: inout ShapeContext) throws {
    if let pos = c.input(1).rank, let len = c.input(2).rank, pos != len {
        throw Status.invalidArgument("pos and len must have the same rank: \(c.input(1)) and \(c.input(2))")
    }
    _ = try c.input(1).merging(c.input(2))
    c.setOutput(0, try c.input(0).broadcasting(c.input(1)))
}

private func cut(_ context: borrowing KernelContext, _ countsCharacters: Bool) throws {
    let (input, positions, lengths) = (context.input(0), context.input(1), context.input(2))
    guard positions.shape == lengths.shape else {
        throw Status.invalidArgument(
            "pos and len should have the same shape, got: \(positions.shape) vs. \(lengths.shape)")
    }
    guard let shape = try? PartialShape(input.shape).broadcasting(PartialShape(positions.shape)).known else {
        throw Status.invalidArgument("Incompatible shapes: \(input.shape) vs. \(positions.shape)")
    }
    let (starts, counts) = (try positions.integers("pos"), try lengths.integers("len"))
    let texts = input.elements(ByteString.self)
    let output = try context.output(0, .string, shape).mutableElements(ByteString.self)
    let textPlaces = broadcastPlaces(input.shape, to: shape)
    let cutPlaces = broadcastPlaces(positions.shape, to: shape)
    for index in 0..<output.count {
        let (text, cut) = (texts[textPlaces[index]], cutPlaces[index])
        let range =
            countsCharacters
            ? characterRange(text.bytes, starts[cut], counts[cut])
            // As in TensorFlow, a negative length selects all bytes, but no characters.
            : byteRange(text.count, starts[cut], counts[cut] < 0 ? .max : counts[cut])
        guard let range else {
            let shown = countsCharacters ? "string" : "string b'\(text)'"
            throw Status.invalidArgument("pos \(starts[cut]) out of range for \(shown) at index \(index)")
        }
        // One long text may be cut at many positions.
        try MemoryBudget.take(range.count)
        output[index] = ByteString(Array(text.bytes[range]))
    }
}

/// Returns the index in `source` from which each element of `shape` is broadcast.
private func broadcastPlaces(_ source: Shape, to shape: Shape) -> [Int] {
    guard shape.elementCount > 0 else { return [] }
    var places = [0]
    let strides = source.strides
    for dimension in 0..<shape.rank {
        let own = dimension - (shape.rank - source.rank)
        let stride = own < 0 || source[own] == 1 ? 0 : strides[own]
        places = places.flatMap { place in (0..<shape[dimension]).map { place + $0 * stride } }
    }
    return places
}

private func byteRange(_ count: Int, _ position: Int, _ length: Int) -> Range<Int>? {
    guard position >= -count, position <= count else { return nil }
    let start = position < 0 ? position + count : position
    return start..<start + max(0, min(length, count - start))
}

private func characterRange(_ text: [UInt8], _ position: Int, _ length: Int) -> Range<Int>? {
    let starts = text.indices.filter { !text[$0].isUTF8Continuation } + [text.count]
    guard let range = byteRange(starts.count - 1, position, length) else { return nil }
    return starts[range.lowerBound]..<starts[range.upperBound]
}
