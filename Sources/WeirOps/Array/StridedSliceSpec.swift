import WeirGraph
import WeirKernels
import WeirTensor

/// The elements that a strided slice takes. A node holds NumPy's `x[begin:end:stride, index, ..., newaxis]` as three vectors and
/// five masks. They are resolved to a begin, a size and a stride for each dimension of the input.
struct StridedSliceSpec {
    struct Masks: Sendable {
        var begin = 0, end = 0, ellipsis = 0, newAxis = 0, shrinkAxis = 0

        init(_ attributes: Attributes) {
            begin = attributes.int("begin_mask") ?? 0
            end = attributes.int("end_mask") ?? 0
            ellipsis = attributes.int("ellipsis_mask") ?? 0
            newAxis = attributes.int("new_axis_mask") ?? 0
            shrinkAxis = attributes.int("shrink_axis_mask") ?? 0
        }
        /// The masks as attributes of another node.
        var attributes: [String: AttributeValue] {
            [
                "begin_mask": .int(begin), "end_mask": .int(end), "ellipsis_mask": .int(ellipsis),
                "new_axis_mask": .int(newAxis), "shrink_axis_mask": .int(shrinkAxis),
            ]
        }
    }

    /// For each dimension of the input: the number of elements taken (nil if unknown), the first of them, and the stride.
    private(set) var sizes: [Int?] = []
    private(set) var begins: [Int] = []
    private(set) var strides: [Int] = []
    /// The dimensions of the result: the remaining ones of the input, and new ones of size 1.
    private(set) var final: [Int?] = []

    /// Resolves vectors and masks.
    /// - Parameters:
    ///   - begin, end: nil if they are unknown while the graph is built.
    ///   - input: the input's dimensions, nil for unknown ones.
    /// - Throws: `invalidArgument` with TensorFlow's message.
    init(begin: [Int]?, end: [Int]?, strides: [Int], input: [Int?], masks: Masks) throws {
        guard masks.ellipsis & (masks.ellipsis &- 1) == 0 else {
            throw Status.invalidArgument("Multiple ellipses in slice spec not allowed")
        }
        let entries = try StridedSliceSpec.denseRanges(begin, end, strides, input.count, masks)
        for (axis, entry) in entries.ranges.enumerated() {
            let (start, size) = try entry.resolved(axis, input[axis])
            begins.append(start)
            self.strides.append(entry.stride)
            sizes.append(size)
        }
        final = entries.order.map { axis in axis.map { sizes[$0] } ?? 1 }
    }

    /// The slice along one dimension of the input.
    private struct Range {
        var begin: Int? = 0
        var end: Int? = 0
        var stride = 1
        var takesBegin = true
        var takesEnd = true
        var shrinks = false

        /// Returns the first element taken, and the number of elements (nil if unknown).
        /// - Throws: `invalidArgument` if the stride is 0, or a single index is out of bounds or has a negative stride.
        func resolved(_ axis: Int, _ size: Int?) throws -> (Int, Int?) {
            guard stride != 0 else { throw Status.invalidArgument("strides[\(axis)] must be non-zero") }
            guard let size else { return (0, shrinks ? 1 : nil) }
            guard !shrinks || stride > 0 else {
                throw Status.invalidArgument("only stride 1 allowed on non-range indexing.")
            }
            guard let begin, let end else {
                if shrinks { return (0, 1) }
                guard takesBegin, takesEnd else { return (0, nil) }
                let start = stride > 0 ? 0 : size - 1
                return (start, count(from: start, to: stride > 0 ? size : -1))
            }
            if shrinks {
                let index = begin < 0 ? begin + size : begin
                guard index >= 0, index < size else {
                    throw Status.invalidArgument("slice index \(index) of dimension \(axis) out of bounds.")
                }
                return (index, 1)
            }
            let (first, last) = stride > 0 ? (0, size) : (-1, size - 1)
            func clamped(_ index: Int) -> Int { min(max(index < 0 ? index + size : index, first), last) }
            let start = takesBegin ? (stride > 0 ? first : last) : clamped(begin)
            let stop = takesEnd ? (stride > 0 ? last : first) : clamped(end)
            return (start, count(from: start, to: stop))
        }
        private func count(from start: Int, to stop: Int) -> Int {
            let length = stop - start
            guard length != 0, (length < 0) == (stride < 0) else { return 0 }
            return length / stride + (length % stride != 0 ? 1 : 0)
        }
    }

    /// Returns a range for each dimension of the input, and the input dimension of each dimension of the result. The latter is
    /// nil for a new dimension.
    private static func denseRanges(
        _ begin: [Int]?, _ end: [Int]?, _ strides: [Int], _ rank: Int, _ masks: Masks
    ) throws -> (ranges: [Range], order: [Int?]) {
        func isSet(_ mask: Int, _ entry: Int) -> Bool { entry < Int.bitWidth - 1 && mask & (1 << entry) != 0 }
        // The indices after the ellipsis, without new dimensions, belong to the last dimensions of the input.
        let ellipsis = strides.indices.first { isSet(masks.ellipsis, $0) }
        let newAxesAfter = strides.indices.filter { $0 > ellipsis ?? .max && isSet(masks.newAxis, $0) }.count
        var ranges: [Range] = []
        var order: [Int?] = []
        for entry in strides.indices {
            if entry == ellipsis {
                let next = min(rank - (strides.count - entry) + 1 + newAxesAfter, rank)
                while ranges.count < next {
                    order.append(ranges.count)
                    ranges.append(Range())
                }
            } else if isSet(masks.newAxis, entry) {
                order.append(nil)
            } else {
                guard ranges.count < rank else {
                    throw Status.invalidArgument(
                        rank == 0
                            ? "Attempting to slice scalar input."
                            : "Index out of range using input dim \(ranges.count); input has only \(rank) dims")
                }
                let shrinks = isSet(masks.shrinkAxis, entry)
                if !shrinks { order.append(ranges.count) }
                ranges.append(
                    Range(
                        begin: begin?[entry], end: end?[entry], stride: strides[entry],
                        takesBegin: isSet(masks.begin, entry), takesEnd: isSet(masks.end, entry), shrinks: shrinks))
            }
        }
        while ranges.count < rank {
            order.append(ranges.count)
            ranges.append(Range())
        }
        return (ranges, order)
    }
}

extension StridedSliceSpec {
    /// Reads the vectors of a running node. `input` is the shape of the sliced tensor.
    init(begin: Tensor, end: Tensor, strides: Tensor, input: Shape, masks: Masks) throws {
        guard begin.rank == 1, end.rank == 1, strides.rank == 1, begin.elementCount == end.elementCount,
            end.elementCount == strides.elementCount
        else {
            throw Status.invalidArgument(
                "Expected begin, end, and strides to be 1D equal size tensors, but got shapes \(begin.shape), "
                    + "\(end.shape), and \(strides.shape) instead.")
        }
        guard strides.elementCount < 32 else {
            throw Status.invalidArgument("Slicing more than 32 dims unsupported")
        }
        try self.init(
            begin: try begin.integers("begin"), end: try end.integers("end"), strides: try strides.integers("strides"),
            input: input.dimensions, masks: masks)
    }

    /// The result's shape, when all dimensions are known.
    var shape: Shape { get throws { try Shape(validating: final.map { $0 ?? 0 }) } }
    /// The number of elements taken along each dimension of the input.
    var sliceSizes: [Int] { sizes.map { $0 ?? 0 } }
    /// Returns the offset of the first element taken in an input of this shape, and the strides between elements. Both are in
    /// elements.
    func layout(in shape: Shape) -> (offset: Int, strides: [Int]) {
        let whole = StridedCopy.strides(of: shape.dimensions)
        var offset = 0
        for axis in whole.indices { offset = offset &+ begins[axis] &* whole[axis] }
        return (offset, zip(whole, strides).map { $0 &* $1 })
    }
}
