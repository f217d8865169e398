import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The sizes of a pooling with windows over the spatial dimensions.
struct PoolShape {
    var batch: Int
    var channels: Int
    var input: SIMD3<Int>
    var window: SIMD3<Int>
    var stride: SIMD3<Int>
    var output: SIMD3<Int>
    var before: SIMD3<Int>

    /// The number of comparisons or additions per image.
    var work: Int { max(1, channels &* output.volume &* min(window.volume, input.volume)) }
    /// The least number of images worth a task on another thread.
    var grain: Int { max(1, (1 << 17) / work) }
}

/// The checked parameters of a pooling: attributes, or for `V2` ops attributes and inputs.
struct PoolAttributes: Sendable {
    let spatialRank: Int
    let channelsFirst: Bool
    let padding: WindowPadding
    private let window: SpatialList
    private let stride: SpatialList

    init(_ attributes: Attributes, spatialRank: Int) throws {
        try self.init(
            attributes, spatialRank: spatialRank, window: attributes.ints("ksize") ?? [],
            stride: attributes.ints("strides") ?? [])
    }

    /// - Throws: `invalidArgument` or `unimplemented`, with TensorFlow's messages.
    init(_ attributes: Attributes, spatialRank: Int, window: [Int], stride: [Int]) throws {
        self.spatialRank = spatialRank
        guard !PoolAttributes.packsChannels(attributes) else {
            throw Status.invalidArgument(
                "Pooling on device type CPU supports data_format NHWC and NCHW, found NCHW_VECT_C")
        }
        channelsFirst = attributes.string("data_format")?.hasPrefix("NC") ?? false
        let rank = spatialRank + 2
        guard window.count == rank else {
            throw Status.invalidArgument("Sliding window ksize field must specify \(rank) dimensions")
        }
        guard stride.count == rank else {
            throw Status.invalidArgument("Sliding window stride field must specify \(rank) dimensions")
        }
        guard window.allSatisfy({ $0 > 0 && $0 <= maximumWindowParameter }) else {
            let list = window.map(String.init).joined(separator: ",")
            throw Status.invalidArgument(
                "Sliding window ksize must be positive. The specified or inferred ksize is: \(list)")
        }
        _ = try Shape(validating: window)
        if let bad = stride.first(where: { $0 <= 0 || $0 > maximumWindowParameter }) {
            throw Status.invalidArgument("Stride must be > 0, but got \(bad)")
        }
        self.window = SpatialList(window, channelsFirst: channelsFirst)
        self.stride = SpatialList(stride, channelsFirst: channelsFirst)
        guard self.window.batch == 1, self.stride.batch == 1 else {
            throw Status.unimplemented("Pooling is not yet supported on the batch dimension.")
        }
        padding = try WindowPadding(attributes, spatialRank: spatialRank, channelsFirst: channelsFirst)
        if case .explicit(let before, let after) = padding {
            for (name, amount, size) in [
                ("Top", before.y, self.window.spatial.y), ("Bottom", after.y, self.window.spatial.y),
                ("Left", before.z, self.window.spatial.z), ("Right", after.z, self.window.spatial.z),
            ] where amount >= size {
                throw Status.invalidArgument("\(name) padding \(amount) needs to be smaller than the window size \(size)")
            }
        }
    }

    /// Whether the data format is NCHW_VECT_C: images of rank 5 with four channels in the last dimension, for GPU kernels only.
    static func packsChannels(_ attributes: Attributes) -> Bool { attributes.string("data_format") == "NCHW_VECT_C" }

    /// Whether the windows cover channels instead of spatial dimensions.
    var isDepthwise: Bool { window.channels > 1 || stride.channels > 1 }

    /// Checks that the windows cover spatial dimensions.
    /// - Throws: `unimplemented` with `message` when they cover channels.
    func requireSpatial(_ message: String) throws {
        if isDepthwise { throw Status.unimplemented(message) }
    }

    /// Returns the sizes for an input of this shape, and the output's shape.
    func plan(_ input: Shape) throws -> (PoolShape, Shape) {
        let rank = spatialRank + 2
        guard input.rank == rank else {
            throw Status.invalidArgument("tensor_in must be \(rank)-dimensional, found shape \(input)")
        }
        try checkWindowedShape(input)
        let sizes = SpatialList(input.dimensions, channelsFirst: channelsFirst)
        if isDepthwise { return try depthwisePlan(sizes) }
        var (output, before) = (SIMD3(1, 1, 1), SIMD3<Int>.zero)
        for axis in (3 - spatialRank)..<3 {
            (output[axis], before[axis], _) = try padding.windows(
                axis, input: sizes.spatial[axis], window: window.spatial[axis], dilation: 1, stride: stride.spatial[axis])
        }
        var list = sizes
        list.spatial = output
        let shape = try Shape(validating: list.values(spatialRank: spatialRank, channelsFirst: channelsFirst))
        try checkWindowedShape(shape)
        // With the channels first, each channel is treated as an image.
        let (batch, channels) = channelsFirst ? (sizes.batch * sizes.channels, 1) : (sizes.batch, sizes.channels)
        // The number of images without elements is not bounded by memory, so it is set to 0.
        let isEmpty = channels == 0 || (sizes.spatial.volume == 0 && output.volume == 0)
        let pool = PoolShape(
            batch: isEmpty ? 0 : batch, channels: channels, input: sizes.spatial, window: window.spatial, stride: stride.spatial,
            output: output, before: before)
        return (pool, shape)
    }

    /// Returns the sizes of a pooling over channels. Each window is treated as an image of one row.
    private func depthwisePlan(_ sizes: SpatialList) throws -> (PoolShape, Shape) {
        guard window.spatial == SIMD3(1, 1, 1), !channelsFirst else {
            throw Status.unimplemented("MaxPooling supports exactly one of pooling across depth or pooling across width/height.")
        }
        guard sizes.channels % window.channels == 0 else {
            throw Status.unimplemented("Depthwise max pooling requires the depth window to evenly divide the input depth")
        }
        guard window.channels == stride.channels else {
            throw Status.unimplemented("Depthwise max pooling requires the depth window to equal the depth stride")
        }
        guard stride.spatial == SIMD3(1, 1, 1) else {
            throw Status.unimplemented("Depthwise max pooling requires strides of 1 across width and height")
        }
        var list = sizes
        list.channels = sizes.channels / window.channels
        let shape = try Shape(validating: list.values(spatialRank: spatialRank, channelsFirst: false))
        let line = SIMD3(1, 1, window.channels)
        let pool = PoolShape(
            batch: shape.elementCount, channels: 1, input: line, window: line, stride: line, output: SIMD3(1, 1, 1),
            before: .zero)
        return (pool, shape)
    }

    /// Returns the output's shape as far as a shape function knows it.
    func partial(_ input: PartialShape) throws -> PartialShape {
        let rank = spatialRank + 2
        guard let dimensions = input.dimensions else { return .ofRank(rank) }
        guard dimensions.count == rank else {
            throw Status.invalidArgument("Shape must be rank \(rank) but is rank \(dimensions.count)")
        }
        var output = dimensions
        let channelAxis = channelsFirst ? 1 : rank - 1
        if isDepthwise { output[channelAxis] = dimensions[channelAxis].map { $0 / window.channels } }
        for index in 0..<spatialRank {
            let (axis, position) = (index + 3 - spatialRank, index + (channelsFirst ? 2 : 1))
            guard (dimensions[position] ?? 0) <= maximumWindowParameter else { continue }
            output[position] = try padding.partialWindows(
                axis, input: dimensions[position], window: window.spatial[axis], dilation: 1, stride: stride.spatial[axis])
        }
        return PartialShape(output)
    }
}

extension PoolShape {
    /// Returns the input positions that the window of output position `place` covers, without those beyond the edges.
    @inline(__always)
    func covered(_ place: SIMD3<Int>) -> (from: SIMD3<Int>, to: SIMD3<Int>) {
        let start = place &* stride &- before, end = start &+ window
        return (start.clamped(lowerBound: .zero, upperBound: input), end.clamped(lowerBound: .zero, upperBound: input))
    }

    /// Calls `body` for each output position of one image, with its index and the corners of the covered input.
    @inline(__always)
    func forEachWindow(_ body: (_ number: Int, _ from: SIMD3<Int>, _ to: SIMD3<Int>) -> Void) {
        var number = 0
        for z in 0..<output.x {
            for y in 0..<output.y {
                for x in 0..<output.z {
                    let (from, to) = covered(SIMD3(z, y, x))
                    body(number, from, to)
                    number &+= 1
                }
            }
        }
    }

    /// Calls `body` with the index of each input position between two corners.
    @inline(__always)
    func forEachPixel(_ from: SIMD3<Int>, _ to: SIMD3<Int>, _ body: (Int) -> Void) {
        for z in from.x..<max(from.x, to.x) {
            for y in from.y..<max(from.y, to.y) {
                let row = (z &* input.y &+ y) &* input.z
                for x in from.z..<max(from.z, to.z) { body(row &+ x) }
            }
        }
    }
}
