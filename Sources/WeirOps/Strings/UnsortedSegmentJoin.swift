import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `UnsortedSegmentJoin`: joins the strings with the same segment ID.
    static let unsortedSegmentJoin = OpDefinition(
        "UnsortedSegmentJoin",
        "(inputs: string, segment_ids: Tindices, num_segments: Tnumsegments) -> (output: string)",
        "separator: string = ''", "Tindices: {int32, int64}", "Tnumsegments: {int32, int64} = int32"
    )
    .shape(segmentShape)
    .noGradient()
    .kernel(["Tindices": .index, "Tnumsegments": .index]) { request in
        let separator = try request.bytes("separator").bytes
        return .sync { context in try join(context, separator) }
    }
}

@Sendable private func segmentShape(_ c: inout ShapeContext) throws {
    try c.requireRank(2, 0)
    guard let rank = c.input(1).rank, c.input(0).rank != nil else { return }
    let count = try c.constant(2)?.integer("num_segments")
    if let count, count < 0 { throw Status.invalidArgument("Dimension size, given by scalar input 2, must be >= 0") }
    c.setOutput(0, PartialShape.vector(count).concatenating(c.input(0).dropFirst(rank)))
}

private func join(_ context: borrowing KernelContext, _ separator: [UInt8]) throws {
    let (input, ids) = (context.input(0), context.input(1))
    guard context.shape(2).elementCount == 1 else {
        throw Status.invalidArgument("Number of segments cannot be empty.")
    }
    let count = try context.input(2).integer("num_segments")
    guard count >= 0 else {
        throw Status.invalidArgument("Number of segments must not be negative, found \(count)")
    }
    guard ids.rank > 0 else { throw Status.invalidArgument("Segment_ids cannot have rank 0") }
    guard ids.rank <= input.rank else {
        throw Status.outOfRange("Invalid segment_id rank \(ids.rank) for input with \(input.rank) dimension(s)")
    }
    for index in 0..<ids.rank where ids.dimension(index) != input.dimension(index) {
        throw Status.invalidArgument(
            "Segment dimension is \(ids.dimension(index)) while input dimension is \(input.dimension(index)) in rank "
                + "\(index)")
    }
    let segments = try ids.integers("segment_ids")
    guard segments.allSatisfy({ $0 >= 0 && $0 < count }) else {
        throw Status.invalidArgument("segment_ids are not allowed to exceed num_segments or to have negative values.")
    }
    let rest = input.shape.dimensions.dropFirst(ids.rank)
    let width = ids.elementCount == 0 ? 0 : input.elementCount / ids.elementCount
    let texts = input.elements(ByteString.self)
    let shape = try Shape(validating: [count] + rest)
    let output = try context.output(0, .string, shape).mutableElements(ByteString.self)
    var seen = Set<Int>()
    try MemoryBudget.take(texts.reduce(0) { $0 &+ $1.count &+ separator.count })
    for (row, segment) in segments.enumerated() {
        let isFirst = seen.insert(segment).inserted
        for column in 0..<width {
            if !isFirst { output[segment * width + column].bytes += separator }
            output[segment * width + column].bytes += texts[row * width + column].bytes
        }
    }
}
