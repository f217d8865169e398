import WeirTensor

/// The number of elements in the intersection of two boxes of the same rank.
func overlap(_ a: [Range<Int>], _ b: [Range<Int>]) -> Int {
    zip(a, b).reduce(1) { $0 * $1.0.clamped(to: $1.1).count }
}

/// The indices of two boxes of the same rank that have elements in common; nil when there are no such boxes.
///
/// Sweeps along the dimension with the most different lower bounds and compares boxes whose ranges there overlap.
/// - Complexity: O(n log n) for n boxes that divide a tensor along one dimension.
func firstOverlap(_ boxes: [[Range<Int>]]) -> (Int, Int)? {
    guard boxes.count > 1, let rank = boxes.first?.count else { return nil }
    let indices = boxes.indices.filter { !boxes[$0].contains(where: \.isEmpty) }
    let starts = (0..<rank).map { dimension in Set(indices.map { boxes[$0][dimension].lowerBound }).count }
    // Scalars have no dimension: any two of them overlap.
    guard let axis = starts.indices.max(by: { starts[$0] < starts[$1] }) else { return (indices[0], indices[1]) }
    let order = indices.sorted { boxes[$0][axis].lowerBound < boxes[$1][axis].lowerBound }
    for (position, box) in order.enumerated() {
        for other in order[(position + 1)...] {
            guard boxes[other][axis].lowerBound < boxes[box][axis].upperBound else { break }
            if overlap(boxes[box], boxes[other]) > 0 { return (min(box, other), max(box, other)) }
        }
    }
    return nil
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
