import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

/// The kernels of pooling for one type of elements. Gradients are gathered: each element of the input sums over the windows that cover it,
/// in order, so that no two threads add to one element.
struct CUDAPool: Sendable {
    let device: CUDADevice
    let module: CUDAModule
    private let dtype: DType

    init(_ request: KernelRequest, _ dtype: DType) throws {
        device = try request.cudaDevice()
        self.dtype = dtype
        guard let type = dtype.cudaName else { throw request.unsupportedType("T") }
        module = try device.modules.module(CUDAProgram("Pooling \(type)", "typedef \(type) T;\n" + CUDAPool.source))
    }

    private func run(_ kernel: String, over count: Int, _ shape: PoolShape, _ arguments: [CUDAArgument]) throws {
        func list(_ value: SIMD3<Int>) -> [Int] { [value.x, value.y, value.z] }
        let words = [shape.batch, shape.channels] + list(shape.input) + list(shape.window) + list(shape.stride) + list(shape.output) + list(shape.before)
        // Divisions of 32-bit numbers are several times faster.
        let name = max(shape.inputCount, shape.outputCount) < 1 << 31 ? kernel : "\(kernel)_large"
        try device.launch(module.function(name), over: count, arguments + [.int(count), .ints(words)])
    }

    /// The maximum of each window, but at least `lowest`.
    func maxima(_ shape: PoolShape, _ x: Tensor, _ y: Tensor, atLeast lowest: Double) throws {
        try run("maxima", over: shape.outputCount, shape, [.elements(x), .elements(y), .double(lowest)])
    }
    func means(_ shape: PoolShape, _ x: Tensor, _ y: Tensor) throws {
        try run("means", over: shape.outputCount, shape, [.elements(x), .elements(y)])
    }
    func meansGradient(_ shape: PoolShape, _ flow: Tensor, _ result: Tensor) throws {
        try run("means_gradient", over: shape.inputCount, shape, [.elements(flow), .elements(result)])
    }
    /// The gradient of the maxima: to the first of equal elements, or to all.
    func maximaGradient(_ shape: PoolShape, _ x: Tensor, _ flow: Tensor, _ result: Tensor, toAll: Bool) throws {
        if toAll {
            let best = try Tensor(dtype, Shape(validating: [shape.outputCount]), in: device.allocator)
            try run("first_maxima", over: shape.outputCount, shape, [.elements(x), .elements(best)])
            return try run("gradient_of_all", over: shape.inputCount, shape, [.elements(x), .elements(best), .elements(flow), .elements(result)])
        }
        let pixels = try places(shape, x)
        try run("gradient_of_first", over: shape.inputCount, shape, [.elements(pixels), .elements(flow), .elements(result)])
    }
    /// For each window the element of `values` where `x` has its maximum.
    func atMaxima(_ shape: PoolShape, _ x: Tensor, _ values: Tensor, _ result: Tensor) throws {
        try run("at_maxima", over: shape.outputCount, shape, [.elements(try places(shape, x)), .elements(values), .elements(result)])
    }
    /// The maximum of each window and its index in the image, or in the batch.
    func maximaAndIndices(_ shape: PoolShape, _ x: Tensor, _ y: Tensor, _ indices: Tensor, includesBatch: Bool) throws {
        try run(
            "maxima_and_indices", over: shape.outputCount, shape, [.elements(x), .elements(y), .elements(indices), .int(includesBatch ? 1 : 0)])
    }
    private func places(_ shape: PoolShape, _ x: Tensor) throws -> Tensor {
        let pixels = try Tensor(.int32, Shape(validating: [shape.outputCount]), in: device.allocator)
        try run("places", over: shape.outputCount, shape, [.elements(x), .elements(pixels)])
        return pixels
    }
}

extension PoolShape {
    fileprivate var inputCount: Int { batch * channels * input.volume }
    fileprivate var outputCount: Int { batch * channels * output.volume }
}
