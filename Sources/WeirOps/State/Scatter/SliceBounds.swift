import WeirKernels
import WeirTensor

/// A strided slice of a tensor. `begin:end:stride` and the masks are resolved to indices that are in range.
struct SliceBounds {
    /// The first index, the step and the number of indices of each dimension of the tensor.
    private(set) var begins: [Int] = []
    private(set) var steps: [Int] = []
    private(set) var counts: [Int] = []
    /// The dimensions of the slice: a dimension of the tensor, or nil for a new dimension of size 1.
    private(set) var axes: [Int?] = []

    var sizes: [Int] { axes.map { $0.map { counts[$0] } ?? 1 } }

    /// The masks of `StridedSlice`, one bit for each position.
    struct Masks: Sendable {
        var begin = 0
        var end = 0
        var ellipsis = 0
        var newAxis = 0
        var shrinkAxis = 0
    }

    /// - Throws: `invalidArgument` when the slice does not match the shape.
    init(_ begin: Tensor, _ end: Tensor, _ strides: Tensor, _ masks: Masks, of shape: Shape) throws {
        let size = strides.elementCount
        guard begin.rank == 1, end.rank == 1, strides.rank == 1, begin.elementCount == size, end.elementCount == size,
            size < 32
        else {
            throw Status.invalidArgument(
                "Expected begin, end, and strides to be 1D equal size tensors, but got shapes \(begin.shape), "
                    + "\(end.shape), and \(strides.shape) instead.")
        }
        guard masks.ellipsis.nonzeroBitCount <= 1 else {
            throw Status.invalidArgument("Multiple ellipses in slice spec not allowed")
        }
        let (begins, ends) = (try begin.integers("begin"), try end.integers("end"))
        let steps = try strides.integers("strides")
        func has(_ mask: Int, _ position: Int) -> Bool { mask >> position & 1 == 1 }

        // An ellipsis stands for all dimensions that no other position uses. Without one, these are the last dimensions.
        var named = 0
        for position in 0..<size where !has(masks.ellipsis, position) && !has(masks.newAxis, position) { named += 1 }
        for position in 0..<size {
            if has(masks.ellipsis, position) {
                takeAll(max(0, shape.rank - named), shape)
            } else if has(masks.newAxis, position) {
                axes.append(nil)
            } else {
                guard counts.count < shape.rank else {
                    throw Status.invalidArgument(
                        "Index out of range using input dim \(counts.count); input has only \(shape.rank) dims")
                }
                if has(masks.shrinkAxis, position) {
                    try pick(begins[position], steps[position], of: shape)
                } else {
                    let begin = has(masks.begin, position) ? nil : begins[position]
                    try take(begin, has(masks.end, position) ? nil : ends[position], steps[position], of: shape)
                }
            }
        }
        takeAll(shape.rank - counts.count, shape)
    }

    private mutating func takeAll(_ count: Int, _ shape: Shape) {
        for _ in 0..<min(count, shape.rank - counts.count) {
            let axis = counts.count
            axes.append(axis)
            begins.append(0)
            steps.append(1)
            counts.append(shape[axis])
        }
    }

    /// Selects one index, so that the dimension is dropped.
    private mutating func pick(_ index: Int, _ step: Int, of shape: Shape) throws {
        let axis = counts.count
        guard step != 0 else { throw Status.invalidArgument("strides[\(axis)] must be non-zero") }
        guard step > 0 else { throw Status.invalidArgument("only stride 1 allowed on non-range indexing.") }
        let position = index < 0 ? index &+ shape[axis] : index
        guard position >= 0, position < shape[axis] else {
            throw Status.invalidArgument("slice index \(index) of dimension \(axis) out of bounds.")
        }
        begins.append(position)
        steps.append(1)
        counts.append(1)
    }

    private mutating func take(_ begin: Int?, _ end: Int?, _ step: Int, of shape: Shape) throws {
        let axis = counts.count
        let size = shape[axis]
        guard step != 0 else { throw Status.invalidArgument("strides[\(axis)] must be non-zero") }
        let (lowest, highest) = step > 0 ? (0, size) : (-1, size - 1)
        func clamped(_ index: Int) -> Int { min(max(index < 0 ? index &+ size : index, lowest), highest) }
        let first = begin.map(clamped) ?? (step > 0 ? lowest : highest)
        let last = end.map(clamped) ?? (step > 0 ? highest : lowest)
        let length = last - first
        // Rounds up. It divides magnitudes, because `-Int.min` overflows.
        let count = length == 0 || (length < 0) != (step < 0) ? 0 : Int((length.magnitude - 1) / step.magnitude) + 1
        axes.append(axis)
        begins.append(first)
        steps.append(step)
        counts.append(count)
    }
}
