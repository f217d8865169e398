import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The gradient of a bias: the sum over all dimensions except the channels.
    static let biasAddGrad = OpDefinition(
        "BiasAddGrad", "(out_backprop: T) -> (output: T)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, uint16, complex128, half, uint32, uint64}",
        "data_format: {'NHWC', 'NCHW'} = 'NHWC'"
    )
    .shape { c in
        try c.requireRank(0, atLeast: 2)
        let channel = c.attributes.string("data_format") == "NCHW" ? 1 : -1
        c.setOutput(0, .vector(c.input(0)[channel]))
    }
    .gradient(biasAddGradGradient)
    .kernel(["T": .numeric], gpu: ["T": .floating], make: biasAddGradKernel)
    .cuda(cudaBiasAddGrad)
}

@Sendable private func cudaBiasAddGrad(_ request: KernelRequest) throws -> Kernel {
    let (dtype, channelsFirst) = (try request.type("T"), try request.string("data_format") == "NCHW")
    let terms = CUDAChannelSums.Terms(
        fields: "C sum;", byteCount: 8, zero: "a.sum = 0;", add: "a.sum += x;", merge: "a.sum += b.sum;", results: ", T* out",
        finish: "out[channel] = narrow<T>(a.sum);")
    let program = try CUDAChannelSums(request, inputs: [dtype], terms)
    return .sync { context in
        let value = context.input(0)
        let layout = try ChannelLayout(value.shape, channelsFirst: channelsFirst)
        let sums = try context.output(0, dtype, Shape(layout.channels))
        try program.run(layout, [value], results: [.elements(sums)])
    }
}

/// Returns the gradient of `BiasAddGrad`: broadcasts over the dimensions that were summed.
@Sendable private func biasAddGradGradient(_ g: GradientContext) throws -> [Output?] {
    let (value, grad) = (g.inputs[0], g.gradient())
    guard g.attributes.string("data_format") == "NCHW" else {
        return [g.op("BroadcastTo", grad, g.op("Shape", value))]
    }
    guard let rank = value.shape.rank else {
        throw Status.unimplemented("The gradient of BiasAddGrad with data_format NCHW needs to know the rank of its input")
    }
    let column = g.op("Reshape", grad, g.constant([-1] + [Int](repeating: 1, count: rank - 2)))
    return [g.op("BroadcastTo", column, g.op("Shape", value))]
}

@Sendable private func biasAddGradKernel(_ request: KernelRequest) throws -> Kernel {
    let channelsFirst = try request.string("data_format") == "NCHW"
    switch try request.type("T") {
    case .float16: return biasAddGradWidened(Float16.self, channelsFirst)
    case .bfloat16: return biasAddGradWidened(BFloat16.self, channelsFirst)
    default: return try request.wrapping("T", BiasAddGradVisitor(channelsFirst: channelsFirst))
    }
}

private struct BiasAddGradVisitor: NumericVisitor {
    let channelsFirst: Bool
    func visit<E: NumericElement>(_ type: E.Type) throws -> Kernel {
        let channelsFirst = channelsFirst
        return .sync { context in
            let layout = try ChannelLayout(context.shape(0), channelsFirst: channelsFirst)
            let value = context.elements(0, E.self)
            let output = try context.output(0, context.dtype(0), Shape(layout.channels)).mutableElements(E.self)
            sumChannels(value, layout, output)
        }
    }
}

/// Returns the kernel for the 16-bit floats, which sums in 32 bits.
private func biasAddGradWidened<E: FloatingElement>(_ type: E.Type, _ channelsFirst: Bool) -> Kernel where E.Compute == Float {
    .sync { context in
        let layout = try ChannelLayout(context.shape(0), channelsFirst: channelsFirst)
        let value = try context.input(0).widened(from: E.self)
        let output = try context.output(0, E.dtype, Shape(layout.channels))
        let sums = try Tensor(.float32, Shape(layout.channels))
        defer { keepAlive((value, sums)) }
        sumChannels(value.elements(Float.self), layout, sums.mutableElements(Float.self))
        output.narrow(from: sums, to: E.self)
    }
}

private func sumChannels<E: NumericElement>(
    _ value: UnsafeBufferPointer<E>, _ layout: ChannelLayout, _ sums: UnsafeMutableBufferPointer<E>
) {
    if layout.inner == 1 { return rowSums(value.start, layout.outer, layout.channels, sums.start) }
    for channel in 0..<sums.count { sums[channel] = .zero }
    for block in 0..<layout.outer {
        for channel in 0..<layout.channels {
            let row = value.start + (block * layout.channels + channel) * layout.inner
            sums[channel] = E.plus(sums[channel], laneSum(row, layout.inner))
        }
    }
}

/// Returns the sum of elements, computed in 16 independent sums. This is faster and more accurate than one running sum.
func laneSum<E: NumericElement>(_ values: UnsafePointer<E>, _ count: Int) -> E {
    withUnsafeTemporaryAllocation(of: E.self, capacity: 16) { lanes in
        for lane in 0..<16 { lanes[lane] = .zero }
        var index = 0
        while index &+ 16 <= count {
            for lane in 0..<16 { lanes[lane] = E.plus(lanes[lane], values[index &+ lane]) }
            index &+= 16
        }
        var total = E.zero
        for lane in 0..<16 { total = E.plus(total, lanes[lane]) }
        while index < count {
            total = E.plus(total, values[index])
            index &+= 1
        }
        return total
    }
}

/// Writes the sum of `rows` rows of `width` elements to `sums`. Rows are summed in blocks, and then the blocks' sums, so that
/// the error grows with the root of the number of rows. Several short rows are summed at once.
func rowSums<E: NumericElement>(_ value: UnsafePointer<E>, _ rows: Int, _ width: Int, _ sums: UnsafeMutablePointer<E>) {
    for index in 0..<width { sums[index] = .zero }
    guard rows > 0, width > 0 else { return }
    let together = width >= 64 ? 1 : max(1, min(rows, 128 / width))
    let length = together * width, count = rows * width
    withUnsafeTemporaryAllocation(of: E.self, capacity: length) { partial in
        var start = 0
        while start < count {
            for index in 0..<length { partial[index] = .zero }
            let end = min(count, start &+ 256 &* length)
            while start < end {
                let (source, part) = (value + start, min(length, end &- start))
                for index in 0..<part { partial[index] = E.plus(partial[index], source[index]) }
                start &+= part
            }
            for copy in 0..<together {
                let source = partial.start + copy &* width
                for index in 0..<width { sums[index] = E.plus(sums[index], source[index]) }
            }
        }
    }
}
