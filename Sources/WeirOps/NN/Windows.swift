import WeirGraph
import WeirKernels
import WeirTensor

// Windows that slide over two or three spatial dimensions, shared by convolutions and pooling. Images are treated as volumes of
// depth 1, so that the code serves both.

/// The padding of the input beyond its edges.
enum WindowPadding: Sendable, Hashable {
    case same, valid
    /// The number of elements before and after each spatial dimension.
    case explicit(before: SIMD3<Int>, after: SIMD3<Int>)
}

/// A list attribute (strides, window size, dilations) or a shape, split into batch, channels and spatial dimensions.
struct SpatialList: Sendable, Hashable {
    var batch: Int
    var channels: Int
    /// Depth (1 for images), height, width.
    var spatial: SIMD3<Int>

    /// - Parameter values: four or five values in the order of the data format.
    init(_ values: [Int], channelsFirst: Bool) {
        let spatialValues = channelsFirst ? Array(values[2...]) : Array(values[1..<values.count - 1])
        batch = values[0]
        channels = channelsFirst ? values[1] : values[values.count - 1]
        spatial =
            spatialValues.count == 3
            ? SIMD3(spatialValues[0], spatialValues[1], spatialValues[2]) : SIMD3(1, spatialValues[0], spatialValues[1])
    }

    /// Returns the four or five values in the order of a data format.
    func values(spatialRank: Int, channelsFirst: Bool) -> [Int] {
        let inner = spatialRank == 3 ? [spatial.x, spatial.y, spatial.z] : [spatial.y, spatial.z]
        return channelsFirst ? [batch, channels] + inner : [batch] + inner + [channels]
    }
}

/// The largest size, stride or padding that is accepted: TensorFlow stores them in 32 bits.
let maximumWindowParameter = Int(Int32.max)

/// Checks the shape of an operand or result of a windowed op.
/// - Throws: `invalidArgument` when a dimension exceeds `maximumWindowParameter`, or the product of the dimensions that are not 0
///   is too large.
func checkWindowedShape(_ shape: Shape) throws {
    if let big = shape.dimensions.first(where: { $0 > maximumWindowParameter }) {
        throw Status.invalidArgument("Dimension \(big) of shape \(shape) is too large")
    }
    _ = try Shape(validating: shape.dimensions.map { max($0, 1) })
}

extension WindowPadding {
    /// Creates a padding from the attributes `padding` and `explicit_paddings`.
    /// - Throws: `invalidArgument` as TensorFlow's `CheckValidPadding` does.
    init(_ attributes: Attributes, spatialRank: Int, channelsFirst: Bool) throws {
        let paddings = attributes.ints("explicit_paddings") ?? []
        let padding = attributes.string("padding") ?? ""
        guard padding == "EXPLICIT" else {
            guard paddings.isEmpty else {
                throw Status.invalidArgument("explicit_paddings attribute must be empty if the padding attribute is not EXPLICIT")
            }
            self = padding == "SAME" ? .same : .valid
            return
        }
        let rank = spatialRank + 2
        guard paddings.count == 2 * rank else {
            throw Status.invalidArgument(
                "explicit_paddings attribute must contain \(2 * rank) values, but got: \(paddings.count)")
        }
        guard paddings.allSatisfy({ $0 >= 0 }) else {
            throw Status.invalidArgument("All elements of explicit_paddings must be nonnegative")
        }
        guard paddings.allSatisfy({ $0 <= maximumWindowParameter }) else {
            throw Status.invalidArgument("Elements of explicit_paddings must fit in 32 bits, found \(paddings)")
        }
        let before = SpatialList((0..<rank).map { paddings[2 * $0] }, channelsFirst: channelsFirst)
        let after = SpatialList((0..<rank).map { paddings[2 * $0 + 1] }, channelsFirst: channelsFirst)
        guard before.batch == 0, before.channels == 0, after.batch == 0, after.channels == 0 else {
            throw Status.invalidArgument("Nonzero explicit padding in the batch or depth dimensions is not supported")
        }
        var (front, back) = (before.spatial, after.spatial)
        if spatialRank == 2 { (front.x, back.x) = (0, 0) }
        self = .explicit(before: front, after: back)
    }

    /// Returns the number of windows along spatial dimension `axis`, and the padding before and after it.
    ///
    /// The caller has checked that all numbers are in `0...maximumWindowParameter`, and stride and dilation are positive.
    /// - Throws: `invalidArgument` when the count would be negative.
    func windows(_ axis: Int, input: Int, window: Int, dilation: Int, stride: Int) throws -> (count: Int, before: Int, after: Int) {
        let extent = max(0, window - 1) * dilation + 1
        var (count, before, after) = (0, 0, 0)
        switch self {
        case .valid: count = (input - extent + stride).floorDivided(by: stride)
        case .explicit(let front, let back):
            (before, after) = (front[axis], back[axis])
            count = (input + before + after - extent + stride).floorDivided(by: stride)
        case .same:
            count = (input + stride - 1) / stride
            let needed = max(0, (count - 1) * stride + extent - input)
            (before, after) = (needed / 2, needed - needed / 2)
        }
        guard count >= 0 else {
            throw Status.invalidArgument(
                "Computed output size would be negative: \(count) [input_size: \(input), effective_filter_size: \(extent), stride: \(stride)]")
        }
        return (count, before, after)
    }

    /// Returns the number of windows along `axis` as far as a shape function knows it.
    func partialWindows(_ axis: Int, input: Int?, window: Int?, dilation: Int, stride: Int) throws -> Int? {
        guard let input else { return nil }
        if case .same = self { return try windows(axis, input: input, window: 1, dilation: 1, stride: stride).count }
        guard let window else { return nil }
        let extent = max(0, window - 1) * dilation + 1
        var padded = input
        if case .explicit(let before, let after) = self { padded += before[axis] + after[axis] }
        guard extent <= padded else {
            throw Status.invalidArgument("Negative dimension size caused by subtracting \(extent) from \(padded)")
        }
        return try windows(axis, input: input, window: window, dilation: dilation, stride: stride).count
    }
}

extension Int {
    /// Returns the quotient rounded down. The divisor must be positive.
    fileprivate func floorDivided(by divisor: Int) -> Int { self >= 0 ? self / divisor : -((divisor - 1 - self) / divisor) }
}

extension SIMD3 where Scalar == Int {
    var volume: Int { x * y * z }
    func allSatisfy(_ condition: (Int) -> Bool) -> Bool { condition(x) && condition(y) && condition(z) }
}
