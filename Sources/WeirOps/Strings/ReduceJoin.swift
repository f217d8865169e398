import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// `ReduceJoin`: joins strings along the given dimensions, in the order in which they are listed.
    static let reduceJoin = OpDefinition(
        "ReduceJoin", "(inputs: string, reduction_indices: int32) -> (output: string)", "keep_dims: bool = false",
        "separator: string = ''"
    )
    .shape(ShapeFunctions.reduction)
    .noGradient()
    .kernel { request in
        let keepsDimensions = try request.bool("keep_dims")
        let separator = try request.bytes("separator").bytes
        return .sync { context in try join(context, keepsDimensions, separator) }
    }
}

private func join(_ context: borrowing KernelContext, _ keepsDimensions: Bool, _ separator: [UInt8]) throws {
    let input = context.input(0)
    let rank = input.rank
    var axes: [Int] = []
    for axis in try context.input(1).integers("reduction_indices") {
        guard axis >= -rank, axis < rank else {
            throw Status.outOfRange("Invalid reduction dimension \(axis) for input with \(rank) dimension(s)")
        }
        let position = axis < 0 ? axis + rank : axis
        guard !axes.contains(position) else { throw Status.invalidArgument("Duplicate reduction dimension \(axis)") }
        axes.append(position)
    }
    // Without dimensions there is nothing to join.
    if rank == 0 || axes.isEmpty { return context.setOutput(0, input) }
    let kept = (0..<rank).filter { !axes.contains($0) }
    let dimensions = (0..<rank).compactMap { axes.contains($0) ? (keepsDimensions ? 1 : nil) : input.dimension($0) }
    let output = try context.output(0, .string, Shape(dimensions)).mutableElements(ByteString.self)
    if output.isEmpty { return }
    // An empty tensor needs no strides, and computing them could overflow.
    let strides = input.elementCount == 0 ? [Int](repeating: 0, count: rank) : input.shape.strides
    let texts = input.elements(ByteString.self)
    let keptPlaces = offsets(kept, input.shape, strides)
    // The dimension that is listed first is joined first, so it varies fastest.
    let joinedPlaces = input.elementCount == 0 ? [] : offsets(axes.reversed(), input.shape, strides)
    for (index, start) in keptPlaces.enumerated() {
        try MemoryBudget.take(joinedPlaces.reduce(0) { $0 &+ texts[start + $1].count &+ separator.count })
        var text: [UInt8] = []
        for (place, offset) in joinedPlaces.enumerated() {
            if place > 0 { text += separator }
            text += texts[start + offset].bytes
        }
        output[index] = ByteString(text)
    }
}

/// Returns the offsets of the elements that differ only in the dimensions `axes`. The last of them varies fastest.
private func offsets(_ axes: [Int], _ shape: Shape, _ strides: [Int]) -> [Int] {
    axes.reduce([0]) { places, axis in
        places.flatMap { place in (0..<shape[axis]).map { place + $0 * strides[axis] } }
    }
}
