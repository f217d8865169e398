import WeirTensor

/// The number of elements in the intersection of two boxes of the same rank.
func overlap(_ a: [Range<Int>], _ b: [Range<Int>]) -> Int {
    zip(a, b).reduce(1) { $0 * $1.0.clamped(to: $1.1).count }
}

/// Copies the intersection of two parts of the same tensor. The box of a part is its position in the whole tensor.
func copyOverlap(from source: Tensor, at sourceBox: [Range<Int>], to destination: Tensor, at box: [Range<Int>]) {
    let common = zip(sourceBox, box).map { $0.clamped(to: $1) }
    if common.contains(where: \.isEmpty) { return }
    // Trailing dimensions that the intersection covers fully in both parts are contiguous, together with the first other one.
    var inner = common.count
    var run = 1
    while inner > 0 {
        inner -= 1
        run *= common[inner].count
        if common[inner].count != sourceBox[inner].count || common[inner].count != box[inner].count { break }
    }
    let outer = common[..<inner]
    let sourceStrides = source.shape.strides
    let strides = destination.shape.strides
    var place = common.map(\.lowerBound)
    while true {
        var from = 0
        var to = 0
        for dimension in common.indices {
            from += (place[dimension] - sourceBox[dimension].lowerBound) * sourceStrides[dimension]
            to += (place[dimension] - box[dimension].lowerBound) * strides[dimension]
        }
        copyRun(from: source, from, to: destination, to, count: run)
        guard let next = outer.indices.last(where: { place[$0] + 1 < common[$0].upperBound }) else { return }
        place[next] += 1
        for dimension in outer.indices where dimension > next { place[dimension] = common[dimension].lowerBound }
    }
}

private func copyRun(from source: Tensor, _ first: Int, to destination: Tensor, _ start: Int, count: Int) {
    if source.dtype == .string {
        let from = source.elements(ByteString.self)
        let to = destination.mutableElements(ByteString.self)
        for index in 0..<count { to[start + index] = from[first + index] }
    } else {
        let width = source.dtype.byteCount
        let from = UnsafeRawBufferPointer(rebasing: source.bytes[first * width..<(first + count) * width])
        UnsafeMutableRawBufferPointer(rebasing: destination.mutableBytes[(start * width)...]).copyMemory(from: from)
    }
}
