import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// One of a convolution's arrays from the other two, on a card.
///
/// A convolution without window is a matrix product and the library's. Others are products of images seen through the windows
/// (`TiledProduct`), and convolutions of single channels have loops of their own (`CUDADepthwise`). No two threads add to one element, so
/// that results repeat.
struct CUDAConvolution: Sendable {
    let device: CUDADevice
    private let result: ConvolutionResult
    private let products: CUDAMatrixProduct?
    private let tiled: TiledProduct
    private let depthwise: CUDADepthwise
    private let hasEpilogue: Bool

    /// - Parameters:
    ///   - epilogue: what is done to each sum.
    ///   - library: the library's name of the epilogue; nil if it has none.
    ///   - isDepthwise: whether each channel is convolved separately; if so, those loops are compiled first.
    init(
        _ request: KernelRequest, _ result: ConvolutionResult, _ dtype: DType, isDepthwise: Bool, channelsFirst: Bool,
        epilogue: CUDAEpilogue = CUDAEpilogue(), library: CUDAProductShape.Epilogue? = CUDAProductShape.Epilogue.none
    ) throws {
        device = try request.cudaDevice()
        self.result = result
        // Sums of integers wrap.
        let dtype = dtype == .int32 ? .uint32 : dtype
        hasEpilogue = epilogue.tensorCount > 0 || !epilogue.statements.isEmpty
        // The library's epilogue is for channels in the last place.
        let usesLibrary = device.products != nil && dtype.isFloating && !isDepthwise && !(channelsFirst && hasEpilogue)
        products = usesLibrary ? try CUDAMatrixProduct(request, dtype, epilogue: epilogue, library: library) : nil
        tiled = try TiledProduct(request, left: dtype, right: dtype, result: dtype, epilogue: epilogue, isLazy: isDepthwise)
        depthwise = try CUDADepthwise(request, dtype, epilogue)
        if isDepthwise { try depthwise.compile() }
    }

    /// Enqueues the computation. The array that `result` names is written.
    /// - Parameter arguments: the epilogue's tensors.
    func run(_ shape: ConvolutionShape, _ input: Tensor, _ filter: Tensor, _ output: Tensor, _ arguments: [Tensor] = []) throws {
        let (left, right, made) =
            switch result {
            case .output: (input, filter, output)
            case .inputGradient: (output, filter, input)
            case .filterGradient: (input, output, filter)
            }
        guard made.elementCount > 0 else { return }
        guard shape.inputCount > 0, shape.outputCount > 0, shape.filterCount > 0 else {
            // An empty sum, or channels of an image that is not there.
            guard hasEpilogue else { return try device.fill(made) }
            return try tiled.run(emptyProblem(shape), left, right, made, arguments.map { .elements($0) })
        }
        if shape.groups == 1, try product(shape, left, right, made, arguments) { return }
        try shape.checkExtents()
        if shape.inputChannels == shape.groups { return try depthwise.run(result, shape, input, filter, output, arguments) }
        let elements = arguments.map { CUDAArgument.elements($0) }
        switch result {
        case .output: try tiled.run(shape.outputProblem(), left, right, made, elements)
        case .filterGradient: try tiled.run(shape.filterProblem(), left, right, made, elements)
        case .inputGradient:
            let problems = shape.inputProblems()
            if problems.reduce(0, { $0 + $1.rowCount * $1.columns * $1.batchCount }) < made.elementCount { try device.fill(made) }
            for problem in problems { try tiled.run(problem, left, right, made) }
        }
    }

    /// The output where there is nothing to sum.
    private func emptyProblem(_ shape: ConvolutionShape) -> TiledProblem {
        var problem = shape.outputProblem()
        problem.depth = [.init(size: 0, left: 0, other: 0)]
        return problem
    }

    /// Computes a convolution of single pixels as a matrix product.
    /// - Returns: false for other convolutions, and when the library has no algorithm.
    private func product(_ shape: ConvolutionShape, _ left: Tensor, _ right: Tensor, _ made: Tensor, _ arguments: [Tensor]) throws -> Bool {
        guard let products, shape.isOfPixels else { return false }
        let (pixels, channels, outputs) = (shape.input.volume, shape.inputChannels, shape.outputChannels)
        let rows = shape.batch * pixels
        guard shape.channelsFirst else {
            let product =
                switch result {
                case .output: MatrixProduct(rows: rows, columns: outputs, depth: channels)
                case .inputGradient: MatrixProduct(rows: rows, columns: channels, depth: outputs, transposesB: true)
                case .filterGradient: MatrixProduct(rows: channels, columns: outputs, depth: rows, transposesA: true)
                }
            return try products.runLibrary(product, [], left, right, made, arguments)
        }
        // With the channels first each image is a matrix of its own, on the right.
        guard !hasEpilogue else { return false }
        func images(_ product: MatrixProduct) throws -> Bool {
            let batch = shape.batch == 1 ? [] : [TiledProblem.Batch(size: shape.batch, left: 0, right: product.depth * product.columns)]
            return try products.runLibrary(product, batch, right, left, made, [])
        }
        switch result {
        case .output: return try images(MatrixProduct(rows: outputs, columns: pixels, depth: channels, transposesA: true))
        case .inputGradient: return try images(MatrixProduct(rows: channels, columns: pixels, depth: outputs))
        case .filterGradient: return false
        }
    }
}

extension ConvolutionShape {
    /// Whether the filter has one element for each pair of channels, and an output for each pixel.
    var isOfPixels: Bool { kernel.volume == 1 && stride == SIMD3(1, 1, 1) && before == .zero && input == output }

    /// Elements from one pixel, channel and image of the input or output to the next.
    private struct Steps {
        let pixel: Int
        let channel: Int
        let image: Int
        let sizes: SIMD3<Int>
        init(_ channels: Int, _ sizes: SIMD3<Int>, channelsFirst: Bool) {
            pixel = channelsFirst ? 1 : channels
            channel = channelsFirst ? sizes.volume : 1
            image = channels * sizes.volume
            self.sizes = sizes
        }
        /// The place of a position, which may lie outside.
        func place(_ at: SIMD3<Int>) -> Int { ((at.x * sizes.y + at.y) * sizes.z + at.z) * pixel }
    }
    private var inputSteps: Steps { Steps(inputChannels, input, channelsFirst: channelsFirst) }
    private var outputSteps: Steps { Steps(outputChannels, output, channelsFirst: channelsFirst) }

    /// Checks that positions in the padded input fit in 32 bits, as the kernels need.
    func checkExtents() throws {
        for axis in 0..<3 {
            let extents = [(kernel[axis] - 1) * dilation[axis], output[axis] * stride[axis], input[axis], before[axis], after[axis]]
            guard extents.allSatisfy({ $0 < 1 << 29 }) else {
                throw Status.unimplemented("A GPU convolves up to \(1 << 29) elements along a dimension with its padding, found \(extents)")
            }
        }
    }

    /// Digits of the three dimensions, the last first. Digits of size 1 are left out.
    private func digits(_ sizes: SIMD3<Int>, _ left: (SIMD3<Int>) -> Int, _ other: (SIMD3<Int>) -> Int, _ step: SIMD3<Int>) -> [TiledProblem.Digit] {
        [SIMD3(0, 0, 1), SIMD3(0, 1, 0), SIMD3(1, 0, 0)].compactMap { unit in
            let size = (sizes &* unit).wrappedSum()
            return size == 1 ? nil : .init(size: size, left: left(unit &* step), other: other(unit), step: unit &* step)
        }
    }

    /// The output: rows are its pixels, columns its channels, depth the filter's elements and input channels.
    func outputProblem() -> TiledProblem {
        let (from, to) = (inputSteps, outputSteps)
        let depth = inputChannels / groups, columns = outputChannels / groups
        func tap(_ at: SIMD3<Int>) -> Int { ((at.x * kernel.y + at.y) * kernel.z + at.z) * depth * outputChannels }
        var rows = digits(output, from.place, to.place, stride)
        rows.append(.init(size: batch, left: from.image, other: to.image))
        let inner = [.init(size: depth, left: from.channel, other: outputChannels)] + digits(kernel, from.place, tap, dilation)
        var problem = TiledProblem(
            rows: rows, depth: inner, columns: columns, rightStep: 1, resultStep: to.channel, start: from.place(SIMD3<Int>.zero &- before),
            position: SIMD3<Int>.zero &- before, limit: input)
        problem.setGroups(groups, left: depth * from.channel, right: columns, result: columns * to.channel, channels: columns)
        return problem
    }

    /// The filter's gradient: rows are the filter's elements and input channels, columns output channels, depth the output's pixels.
    func filterProblem() -> TiledProblem {
        let (from, to) = (inputSteps, outputSteps)
        let depth = inputChannels / groups, columns = outputChannels / groups
        func tap(_ at: SIMD3<Int>) -> Int { ((at.x * kernel.y + at.y) * kernel.z + at.z) * depth * outputChannels }
        let rows = [.init(size: depth, left: from.channel, other: outputChannels)] + digits(kernel, from.place, tap, dilation)
        var inner = digits(output, from.place, to.place, stride)
        inner.append(.init(size: batch, left: from.image, other: to.image))
        var problem = TiledProblem(
            rows: rows, depth: inner, columns: columns, rightStep: to.channel, resultStep: 1, start: from.place(SIMD3<Int>.zero &- before),
            position: SIMD3<Int>.zero &- before, limit: input)
        problem.setGroups(groups, left: depth * from.channel, right: columns * to.channel, result: columns, channels: columns)
        return problem
    }

    /// The input's gradient: rows are the input's pixels, columns its channels, depth the filter's elements and output channels.
    ///
    /// Pixels whose positions have the same remainders by the strides meet the same elements of the filter, so each set of remainders is a
    /// problem of its own, without the elements that the others meet. Pixels that meet none are in no problem: their gradient is 0.
    func inputProblems() -> [TiledProblem] {
        let axes = (0..<3).map { axis in remainders(axis) }
        var problems: [TiledProblem] = []
        for z in axes[0] { for y in axes[1] { for x in axes[2] { problems.append(inputProblem(z, y, x)) } } }
        return problems
    }

    /// Positions with one remainder along an axis: the first, their number, the first element of the filter that meets them, the distance
    /// of the others in the filter and in the output, their number, and the output position of the first.
    private struct Remainder {
        var first: Int
        var count: Int
        var tap: Int
        var tapStep: Int
        var outputStep: Int
        var taps: Int
        var output: Int
    }
    private func remainders(_ axis: Int) -> [Remainder] {
        let (step, distance, size) = (stride[axis], dilation[axis], kernel[axis])
        func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
        let tapStep = step / divisor(step, distance)
        // Each of the first elements of the filter meets the positions of another remainder.
        return (0..<min(size, tapStep)).compactMap { tap in
            let first = ((tap * distance - before[axis]) % step + step) % step
            guard first < input[axis] else { return nil }
            return Remainder(
                first: first, count: (input[axis] - first + step - 1) / step, tap: tap, tapStep: tapStep, outputStep: tapStep * distance / step,
                taps: (size - tap + tapStep - 1) / tapStep, output: (first + before[axis] - tap * distance) / step)
        }
    }

    private func inputProblem(_ z: Remainder, _ y: Remainder, _ x: Remainder) -> TiledProblem {
        let (from, to) = (outputSteps, inputSteps)
        let columns = inputChannels / groups, depth = outputChannels / groups
        func list(_ key: KeyPath<Remainder, Int>) -> SIMD3<Int> { SIMD3(z[keyPath: key], y[keyPath: key], x[keyPath: key]) }
        func tap(_ at: SIMD3<Int>) -> Int { ((at.x * kernel.y + at.y) * kernel.z + at.z) * columns * outputChannels }
        var rows = digits(list(\.count), from.place, { to.place($0 &* stride) }, SIMD3(1, 1, 1))
        rows.append(.init(size: batch, left: from.image, other: to.image))
        let inner =
            [.init(size: depth, left: from.channel, other: 1)]
            + digits(list(\.taps), from.place, { tap($0 &* list(\.tapStep)) }, SIMD3<Int>.zero &- list(\.outputStep))
        var problem = TiledProblem(
            rows: rows, depth: inner, columns: columns, rightStep: outputChannels, resultStep: to.channel, start: from.place(list(\.output)),
            position: list(\.output), resultStart: to.place(list(\.first)), rightStart: tap(list(\.tap)), limit: output)
        problem.setGroups(groups, left: depth * from.channel, right: depth, result: columns * to.channel, channels: columns)
        return problem
    }
}

extension TiledProblem {
    fileprivate mutating func setGroups(_ count: Int, left: Int, right: Int, result: Int, channels: Int) {
        guard count > 1 else { return }
        batch = [.init(size: count, left: left, right: right)]
        (resultBatchStep, channelBatchStep) = (result, channels)
    }
}
