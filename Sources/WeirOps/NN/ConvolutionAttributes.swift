import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The checked attributes of a convolution, and the sizes that follow from them and the operands' shapes.
struct ConvolutionAttributes: Sendable {
    /// The number of spatial dimensions: 2 or 3.
    let spatialRank: Int
    let channelsFirst: Bool
    let stride: SIMD3<Int>
    let dilation: SIMD3<Int>
    let padding: WindowPadding

    /// - Throws: `invalidArgument` or `unimplemented`, with TensorFlow's messages.
    init(_ attributes: Attributes, spatialRank: Int) throws {
        self.spatialRank = spatialRank
        guard attributes.string("data_format") != "NCHW_VECT_C" else {
            throw Status.unimplemented(
                "Convolution on device type CPU supports data_format NHWC and NCHW, found NCHW_VECT_C")
        }
        let channelsFirst = attributes.string("data_format")?.hasPrefix("NC") ?? false
        self.channelsFirst = channelsFirst
        let rank = spatialRank + 2
        func list(_ name: String) throws -> SpatialList {
            let values = attributes.ints(name) ?? [Int](repeating: 1, count: rank)
            guard values.count == rank else {
                throw Status.invalidArgument("Sliding window \(name) field must specify \(rank) dimensions")
            }
            guard values.allSatisfy({ abs($0.clampedToInt32) < maximumWindowParameter }) else {
                throw Status.invalidArgument("Sliding window \(name) must fit in 32 bits, found \(values)")
            }
            return SpatialList(values, channelsFirst: channelsFirst)
        }
        let strides = try list("strides"), dilations = try list("dilations")
        guard strides.batch == 1, strides.channels == 1 else {
            throw Status.unimplemented("Current implementation does not yet support strides in the batch and depth dimensions.")
        }
        guard strides.spatial.allSatisfy({ $0 > 0 }) else {
            throw Status.invalidArgument("Row and column strides should be larger than 0.")
        }
        guard dilations.batch == 1, dilations.channels == 1 else {
            throw Status.unimplemented("Current implementation does not yet support dilations in the batch and depth dimensions.")
        }
        guard dilations.spatial.allSatisfy({ $0 > 0 }) else {
            throw Status.invalidArgument("Dilated rates should be larger than 0.")
        }
        stride = strides.spatial
        dilation = dilations.spatial
        padding = try WindowPadding(attributes, spatialRank: spatialRank, channelsFirst: channelsFirst)
    }

    /// Checks the shapes and returns the sizes of the convolution. `filter` is `[spatial…, input channels of a group, output
    /// channels]`.
    func plan(_ input: Shape, _ filter: Shape) throws -> ConvolutionShape {
        let rank = spatialRank + 2
        guard input.rank == rank else {
            throw Status.invalidArgument("convolution input must be \(rank)-dimensional: \(input)")
        }
        guard filter.rank == rank else {
            throw Status.invalidArgument("convolution filter must be \(rank)-dimensional: \(filter)")
        }
        try checkWindowedShape(input)
        try checkWindowedShape(filter)
        let sizes = SpatialList(input.dimensions, channelsFirst: channelsFirst)
        let kernel = spatialRank == 3 ? SIMD3(filter[0], filter[1], filter[2]) : SIMD3(1, filter[0], filter[1])
        let (groupDepth, outputDepth) = (filter[rank - 2], filter[rank - 1])
        guard groupDepth > 0 else {
            throw Status.invalidArgument("filter depth must be stricly positive, got \(groupDepth)")
        }
        guard sizes.channels % groupDepth == 0 else {
            throw Status.invalidArgument(
                "input depth must be evenly divisible by filter depth: \(sizes.channels) vs \(groupDepth)")
        }
        guard kernel.allSatisfy({ $0 > 0 }) else {
            throw Status.invalidArgument("filter must not have zero elements (i.e. all dimensions must be non-zero)")
        }
        let groups = max(1, sizes.channels / groupDepth)
        guard outputDepth % groups == 0 else {
            throw Status.invalidArgument(
                "output depth must be evenly divisible by number of groups: \(outputDepth) vs \(groups)")
        }
        return try sized(sizes, kernel, groups: groups, outputDepth: outputDepth)
    }

    private func sized(_ sizes: SpatialList, _ kernel: SIMD3<Int>, groups: Int, outputDepth: Int) throws -> ConvolutionShape {
        var (output, before, after) = (SIMD3(1, 1, 1), SIMD3<Int>.zero, SIMD3<Int>.zero)
        for axis in (3 - spatialRank)..<3 {
            (output[axis], before[axis], after[axis]) = try padding.windows(
                axis, input: sizes.spatial[axis], window: kernel[axis], dilation: dilation[axis], stride: stride[axis])
        }
        return ConvolutionShape(
            spatialRank: spatialRank, batch: sizes.batch, groups: groups, inputChannels: sizes.channels,
            outputChannels: outputDepth, input: sizes.spatial, kernel: kernel, output: output, stride: stride,
            dilation: dilation, before: before, after: after, channelsFirst: channelsFirst)
    }

    /// Returns the filter shape of a depthwise convolution, `[height, width, channels, multiplier]`, as that of a grouped
    /// convolution with one group per channel.
    /// - Parameter op: the prefix of a gradient's error messages; nil for the convolution itself.
    func grouped(_ filter: Shape, _ input: Shape, op: String?) throws -> Shape {
        guard input.rank == 4 else {
            throw Status.invalidArgument(op.map { "\($0): input must be 4-dimensional" } ?? "input must be 4-dimensional\(input)")
        }
        guard filter.rank == 4 else {
            throw Status.invalidArgument(op.map { "\($0): filter must be 4-dimensional" } ?? "filter must be 4-dimensional: \(filter)")
        }
        guard stride.y == stride.z else {
            throw Status.invalidArgument(
                "Current implementation only supports equal length strides in the row and column dimensions.")
        }
        let depth = channelsFirst ? input[1] : input[3]
        guard depth == filter[2] else {
            throw Status.invalidArgument(
                (op.map { "\($0): " } ?? "") + "input and filter must have the same depth: \(depth) vs \(filter[2])")
        }
        try checkWindowedShape(filter)
        return try Shape(validating: [filter[0], filter[1], 1, filter[2] * filter[3]])
    }

    /// Checks the shapes for a gradient and returns the sizes of the convolution. `output` is the shape of the output's
    /// gradient.
    /// - Parameter op: the op's name in error messages, such as `Conv2DCustomBackpropInput`.
    func plan(_ input: Shape, _ filter: Shape, outputGradient output: Shape, op: String) throws -> ConvolutionShape {
        let rank = spatialRank + 2
        guard input.rank == rank else { throw Status.invalidArgument("\(op): input must be \(rank)-dimensional") }
        guard filter.rank == rank else { throw Status.invalidArgument("\(op): filter must be \(rank)-dimensional") }
        guard output.rank == rank else { throw Status.invalidArgument("\(op): out_backprop must be \(rank)-dimensional") }
        let sizes = SpatialList(input.dimensions, channelsFirst: channelsFirst)
        let gradient = SpatialList(output.dimensions, channelsFirst: channelsFirst)
        guard sizes.batch == gradient.batch else {
            throw Status.invalidArgument(
                "\(op): input and out_backprop must have the same batch size. Input batch: \(sizes.batch), outbackprop batch: \(gradient.batch), batch_dim: 0")
        }
        guard filter[rank - 2] > 0, sizes.channels % filter[rank - 2] == 0 else {
            throw Status.invalidArgument("\(op): input depth must be evenly divisible by filter depth")
        }
        guard filter[rank - 1] == gradient.channels else {
            throw Status.invalidArgument("\(op): filter and out_backprop must have the same out_depth")
        }
        let shape = try plan(input, filter)
        for axis in (3 - spatialRank)..<3 where gradient.spatial[axis] != shape.output[axis] {
            let position = axis - (3 - spatialRank) + (channelsFirst ? 2 : 1)
            throw Status.invalidArgument(
                "\(op): Size of out_backprop doesn't match computed: actual = \(gradient.spatial[axis]), computed = \(shape.output[axis]) spatial_dim: \(position) input: \(shape.input[axis]) filter: \(shape.kernel[axis]) output: \(gradient.spatial[axis]) stride: \(stride[axis]) dilation: \(dilation[axis])"
            )
        }
        return shape
    }
}

extension ConvolutionShape {
    /// Returns the output's shape as a tensor.
    func outputShape() throws -> Shape {
        var list = SpatialList([batch, 1, 1, outputChannels], channelsFirst: false)
        list.spatial = output
        let shape = try Shape(validating: list.values(spatialRank: spatialRank, channelsFirst: channelsFirst))
        try checkWindowedShape(shape)
        return shape
    }
    var inputCount: Int { batch * inputChannels * input.volume }
    var outputCount: Int { batch * outputChannels * output.volume }
    var filterCount: Int { kernel.volume * (inputChannels / groups) * outputChannels }
    /// The number of multiplications per image.
    var work: Double { Double(output.volume) * Double(filterCount) }
    func with(batch: Int) -> ConvolutionShape {
        var shape = self
        shape.batch = batch
        return shape
    }
}

extension Int {
    fileprivate var clampedToInt32: Int { Swift.max(-maximumWindowParameter, Swift.min(maximumWindowParameter, self)) }
}
