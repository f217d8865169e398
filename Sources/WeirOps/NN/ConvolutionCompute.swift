import Synchronization
import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// Pointers to the three arrays of a convolution. `ConvolutionResult` says which one is written.
struct ConvolutionArrays<E>: @unchecked Sendable {  // each task uses disjoint parts
    var input: UnsafeMutablePointer<E>
    var filter: UnsafeMutablePointer<E>
    var output: UnsafeMutablePointer<E>

    init(_ input: Tensor, _ filter: Tensor, _ output: Tensor, _ type: E.Type) {
        self.input = input.mutableElements(E.self).start
        self.filter = filter.mutableElements(E.self).start
        self.output = output.mutableElements(E.self).start
    }

    /// Returns the arrays from image `index` on.
    func from(_ index: Int, _ shape: ConvolutionShape) -> ConvolutionArrays {
        var part = self
        part.input += index * shape.inputChannels * shape.input.volume
        part.output += index * shape.outputChannels * shape.output.volume
        return part
    }
}

/// An element type of convolutions.
protocol ConvolutionElement: MatrixElement {
    /// Computes one convolution on this thread. All sizes must be positive.
    static func convolve(_ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<Self>) throws
}

extension Float: ConvolutionElement {
    static func convolve(_ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<Float>) throws {
        let done = try OneDNN.convolution(result, shape, input: arrays.input, filter: arrays.filter, output: arrays.output)
        if !done { try convolveIm2Col(result, shape, arrays) }
    }
}
extension Double: ConvolutionElement {
    static func convolve(_ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<Double>) throws {
        try convolveIm2Col(result, shape, arrays)
    }
}
extension UInt32: ConvolutionElement {
    static func convolve(_ result: ConvolutionResult, _ shape: ConvolutionShape, _ arrays: ConvolutionArrays<UInt32>) throws {
        try convolveIm2Col(result, shape, arrays)
    }
}

/// Computes one of a convolution's arrays from the other two, on several threads if it is large.
func runConvolution<E: ConvolutionElement>(
    _ result: ConvolutionResult, _ shape: ConvolutionShape, _ input: Tensor, _ filter: Tensor, _ output: Tensor,
    _ type: E.Type, _ pool: ComputePool
) throws {
    defer { keepAlive((input, filter, output)) }
    let arrays = ConvolutionArrays(input, filter, output, E.self)
    guard shape.inputCount > 0, shape.outputCount > 0, shape.filterCount > 0 else {
        // An empty sum: fills the result, if it has elements, with zeros.
        switch result {
        case .output: arrays.output.update(repeating: .zero, count: shape.outputCount)
        case .inputGradient: arrays.input.update(repeating: .zero, count: shape.inputCount)
        case .filterGradient: arrays.filter.update(repeating: .zero, count: shape.filterCount)
        }
        return
    }
    guard shape.parts(pool) > 1 else { return try E.convolve(result, shape, arrays) }

    // Splits the batch into parts. The filter's gradient is the sum of the parts' gradients.
    let size = result == .filterGradient ? shape.filterCount : 0
    let partial = try Tensor(E.dtype, Shape(validating: [shape.parts(pool) - 1, size]))
    defer { keepAlive(partial) }
    let partials = ConvolutionArrays(partial, partial, partial, E.self).filter
    try shape.forEachPart(pool) { part, start, shape in
        var share = arrays.from(start, shape)
        if part > 0, size > 0 { share.filter = partials + (part - 1) * size }
        try E.convolve(result, shape, share)
    }
    guard size > 0 else { return }
    for part in 0..<shape.parts(pool) - 1 {
        for index in 0..<size { arrays.filter[index] = E.plus(arrays.filter[index], partials[part * size + index]) }
    }
}

/// Convolves and applies the finish to a few images at a time, while they are in the cache.
func runConvolution(
    _ shape: ConvolutionShape, _ input: Tensor, _ filter: Tensor, _ output: Tensor, _ pool: ComputePool,
    _ finish: some ProductEpilogue
) throws {
    defer { keepAlive((input, filter, output)) }
    let arrays = ConvolutionArrays(input, filter, output, Float.self)
    let channels = shape.outputChannels, imageSize = channels * shape.output.volume
    func finishImages(_ count: Int, _ images: UnsafeMutablePointer<Float>) {
        finish.run(images, count * shape.output.volume, channels, stride: channels, column: 0)
    }
    guard shape.inputCount > 0, shape.outputCount > 0, shape.filterCount > 0 else {
        guard shape.outputCount > 0 else { return }
        arrays.output.update(repeating: 0, count: shape.outputCount)
        return finishImages(shape.batch, arrays.output)
    }
    try shape.forEachPart(pool) { _, start, shape in
        let share = arrays.from(start, shape)
        // Convolves several batches in one call, so that oneDNN reorders the filter once.
        let count = shape.batch.largestDivisor(upTo: convolutionBlock / imageSize)
        let done = try OneDNN.convolution(
            .output, shape.with(batch: count), input: share.input, filter: share.filter, output: share.output,
            repetitions: shape.batch / count
        ) { finishImages(count, share.output + $0 * count * imageSize) }
        if done { return }
        try convolveIm2Col(.output, shape, share)
        finishImages(shape.batch, share.output)
    }
}

/// The number of result elements that are finished at once: 256 KB, at most half of a core's cache.
private let convolutionBlock = 1 << 16

extension Int {
    /// Returns the largest divisor up to a limit, or 1.
    fileprivate func largestDivisor(upTo limit: Int) -> Int {
        if self <= limit { return self }
        return stride(from: limit, to: 1, by: -1).first { self % $0 == 0 } ?? 1
    }
}

extension ConvolutionShape {
    /// The number of tasks that the batch is split into.
    fileprivate func parts(_ pool: ComputePool) -> Int {
        min(pool.threadCount, batch, max(1, Int(work * Double(batch) / MatrixProduct.grain)))
    }

    /// Calls `body` with each part's index, its first image and its shape, on several threads if the work is large.
    fileprivate func forEachPart(
        _ pool: ComputePool, _ body: (_ part: Int, _ start: Int, _ shape: ConvolutionShape) throws -> Void
    ) throws {
        let parts = parts(pool)
        guard parts > 1 else { return try body(0, 0, self) }
        let failure = Mutex<Status?>(nil)
        pool.parallelFor(parts, grain: 1) { range in
            for part in range {
                let start = batch * part / parts, end = batch * (part + 1) / parts
                do {
                    try body(part, start, with(batch: end - start))
                } catch {
                    let status = Status(error)
                    failure.withLock { $0 = status }
                }
            }
        }
        if let status = failure.withLock({ $0 }) { throw status }
    }
}
