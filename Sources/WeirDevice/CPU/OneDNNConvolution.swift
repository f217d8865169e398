import COneDNN
package import WeirTensor

/// The sizes of a convolution. Spatial vectors are (depth, height, width); the depth of images is 1.
package struct ConvolutionShape: Hashable, Sendable {
    /// 2 for images, 3 for volumes.
    package var spatialRank: Int
    /// The number of images or volumes.
    package var batch: Int
    /// The number of groups; 1 for an ordinary convolution.
    package var groups: Int
    /// The channels of the input, of all groups together.
    package var inputChannels: Int
    /// The channels of the output, of all groups together.
    package var outputChannels: Int
    /// The spatial dimensions of the input.
    package var input: SIMD3<Int>
    /// The spatial dimensions of the filter.
    package var kernel: SIMD3<Int>
    /// The spatial dimensions of the output.
    package var output: SIMD3<Int>
    /// The step of the filter along each dimension.
    package var stride: SIMD3<Int>
    /// The distance between neighbouring elements of the filter in the input; 1 for an ordinary convolution.
    package var dilation: SIMD3<Int>
    /// Zero padding before the input.
    package var before: SIMD3<Int>
    /// Zero padding after the input.
    package var after: SIMD3<Int>
    /// Whether the channels come before the spatial dimensions (`NCHW`) or after them (`NHWC`).
    package var channelsFirst: Bool

    /// Makes the sizes of a convolution.
    package init(
        spatialRank: Int, batch: Int, groups: Int, inputChannels: Int, outputChannels: Int, input: SIMD3<Int>,
        kernel: SIMD3<Int>, output: SIMD3<Int>, stride: SIMD3<Int>, dilation: SIMD3<Int>, before: SIMD3<Int>,
        after: SIMD3<Int>, channelsFirst: Bool
    ) {
        self.spatialRank = spatialRank
        self.batch = batch
        self.groups = groups
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.input = input
        self.kernel = kernel
        self.output = output
        self.stride = stride
        self.dilation = dilation
        self.before = before
        self.after = after
        self.channelsFirst = channelsFirst
    }
}

/// Which of the three arrays of a convolution is computed from the other two.
package enum ConvolutionResult: Hashable, Sendable {
    case output, inputGradient, filterGradient
}

extension OneDNN {
    /// Computes a convolution or one of its gradients on the calling thread.
    ///
    /// The filter has TensorFlow's layout: `[spatial…, input channels of a group, output channels]`. No size may be zero.
    /// - Parameters:
    ///   - repetitions: the number of convolutions with the same filter, of consecutive images. For a filter gradient it must
    ///     be 1.
    ///   - finish: called after each convolution with its number, while its result is still in the processor's cache.
    /// - Returns: false when oneDNN has no fast implementation; then nothing was computed.
    /// - Throws: `resourceExhausted` when memory ran out; `internalError` when oneDNN failed.
    package static func convolution(
        _ result: ConvolutionResult, _ shape: ConvolutionShape, input: UnsafeMutablePointer<Float>,
        filter: UnsafeMutablePointer<Float>, output: UnsafeMutablePointer<Float>, repetitions: Int = 1,
        finish: (Int) -> Void = { _ in }
    ) throws(Status) -> Bool {
        guard let convolution = OneDNNConvolution.cached(result, shape) else { return false }
        try convolution.run(input, filter, output, repetitions, finish)
        return true
    }
}

/// A convolution compiled for one shape, with copies of the filter between TensorFlow's layout and oneDNN's.
final class OneDNNConvolution: Sendable {
    private struct Key: Hashable {
        let result: ConvolutionResult
        let shape: ConvolutionShape
    }
    private static let cache = OneDNNCache<Key, OneDNNConvolution>()

    static func cached(_ result: ConvolutionResult, _ shape: ConvolutionShape) -> OneDNNConvolution? {
        guard shape.fitsInt32Arithmetic else { return nil }
        return cache.value(Key(result: result, shape: shape)) { try? OneDNNConvolution($0.result, $0.shape) }
    }

    private let result: ConvolutionResult
    private let convolution: OneDNNPrimitive
    /// Copies the filter from TensorFlow's layout to oneDNN's, or a filter gradient back; nil when the layouts are equal.
    private let reorder: OneDNNPrimitive?
    private let layouts: Layouts

    fileprivate struct Layouts {
        let input: OneDNNLayout
        let filter: OneDNNLayout
        var packedFilter: OneDNNLayout
        let output: OneDNNLayout
    }

    private init?(_ result: ConvolutionResult, _ shape: ConvolutionShape) throws(Status) {
        guard var layouts = Layouts(shape) else { return nil }
        let convolution = try OneDNNConvolution.primitive(result, shape, layouts)
        // oneDNN's reference implementation is much slower than Weir's own.
        if convolution.isReference { return nil }
        let query = result == .filterGradient ? dnnl_query_diff_weights_md : dnnl_query_weights_md
        guard let packed = convolution.layout(query) else { return nil }
        layouts.packedFilter = packed
        if dnnl_memory_desc_equal(packed.handle, layouts.filter.handle) != 0 {
            reorder = nil
        } else if result == .filterGradient {
            reorder = try OneDNNPrimitive(reordering: packed, to: layouts.filter)
        } else {
            reorder = try OneDNNPrimitive(reordering: layouts.filter, to: packed)
        }
        self.result = result
        self.convolution = convolution
        self.layouts = layouts
    }

    func run(
        _ input: UnsafeMutablePointer<Float>, _ filter: UnsafeMutablePointer<Float>, _ output: UnsafeMutablePointer<Float>,
        _ repetitions: Int, _ finish: (Int) -> Void
    ) throws(Status) {
        var packed = UnsafeMutableRawPointer(filter)
        if reorder != nil { packed = try HostAllocator.shared.allocate(layouts.packedFilter.byteCount) }
        defer { if reorder != nil { HostAllocator.shared.deallocate(packed, layouts.packedFilter.byteCount) } }
        let plain = OneDNNPrimitive.Argument(
            index: result == .filterGradient ? DNNL_ARG_TO : DNNL_ARG_FROM, layout: layouts.filter, memory: filter)
        let other = OneDNNPrimitive.Argument(
            index: result == .filterGradient ? DNNL_ARG_FROM : DNNL_ARG_TO, layout: layouts.packedFilter, memory: packed)
        if result != .filterGradient { try reorder?.run([plain, other]) }
        let arguments = [
            OneDNNPrimitive.Argument(
                index: result == .inputGradient ? DNNL_ARG_DIFF_SRC : DNNL_ARG_SRC, layout: layouts.input, memory: input,
                step: layouts.input.byteCount),
            .init(
                index: result == .filterGradient ? DNNL_ARG_DIFF_WEIGHTS : DNNL_ARG_WEIGHTS, layout: layouts.packedFilter,
                memory: packed),
            .init(
                index: result == .output ? DNNL_ARG_DST : DNNL_ARG_DIFF_DST, layout: layouts.output, memory: output,
                step: layouts.output.byteCount),
        ]
        try convolution.run(arguments, repetitions: repetitions, finish: finish)
        if result == .filterGradient { try reorder?.run([plain, other]) }
    }

    private static func primitive(
        _ result: ConvolutionResult, _ shape: ConvolutionShape, _ layouts: Layouts
    ) throws(Status) -> OneDNNPrimitive {
        let strides = shape.spatial(shape.stride), dilations = shape.spatial(shape.dilation &- 1)
        let before = shape.spatial(shape.before), after = shape.spatial(shape.after)
        let kind =
            switch result {
            case .output: dnnl_forward_inference
            case .inputGradient: dnnl_backward_data
            case .filterGradient: dnnl_backward_weights
            }
        return try OneDNNPrimitive { engine, attributes, made in
            weir_convolution_primitive_desc_create(
                &made, engine, kind, layouts.input.handle, layouts.packedFilter.handle, layouts.output.handle, strides,
                dilations, before, after, attributes)
        }
    }
}

extension ConvolutionShape {
    /// Whether all sizes are small enough for oneDNN, which multiplies them in 32 bits.
    fileprivate var fitsInt32Arithmetic: Bool {
        let steps = [stride, dilation, before, after, kernel], sizes = [input, output]
        return steps.allSatisfy { $0.max() < 1 << 12 } && sizes.allSatisfy { $0.max() < 1 << 20 }
            && max(batch, inputChannels, outputChannels) < 1 << 24
    }
    /// The two or three spatial dimensions, in oneDNN's order.
    fileprivate func spatial(_ extent: SIMD3<Int>) -> [Int64] {
        (spatialRank == 3 ? [extent.x, extent.y, extent.z] : [extent.y, extent.z]).map(Int64.init)
    }
}

extension OneDNNConvolution.Layouts {
    /// TensorFlow's layouts of the arrays, and any layout that oneDNN chooses for the packed filter.
    fileprivate init?(_ shape: ConvolutionShape) {
        let volume = shape.spatialRank == 3
        let plain =
            switch (volume, shape.channelsFirst) {
            case (false, false): dnnl_nhwc
            case (false, true): dnnl_nchw
            case (true, false): dnnl_ndhwc
            case (true, true): dnnl_ncdhw
            }
        let batch = Int64(shape.batch), groups = Int64(shape.groups)
        let (ins, outs) = (Int64(shape.inputChannels), Int64(shape.outputChannels))
        let grouped = groups > 1
        let filter = (grouped ? [groups, outs / groups, ins / groups] : [outs, ins]) + shape.spatial(shape.kernel)
        let filterTag =
            switch (volume, grouped) {
            case (false, false): dnnl_hwio
            case (false, true): dnnl_hwigo
            case (true, false): dnnl_dhwio
            case (true, true): dnnl_dhwigo
            }
        guard let input = OneDNNLayout([batch, ins] + shape.spatial(shape.input), plain),
            let output = OneDNNLayout([batch, outs] + shape.spatial(shape.output), plain),
            let plainFilter = OneDNNLayout(filter, filterTag),
            let packedFilter = OneDNNLayout(filter, dnnl_format_tag_any)
        else { return nil }
        self.init(input: input, filter: plainFilter, packedFilter: packedFilter, output: output)
    }
}
