import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The elementwise sum of any number of tensors of one shape.
    static let addN = OpDefinition(
        "AddN", "(inputs: N * T) -> (sum: T)", "N: int >= 1",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
            + "uint16, complex128, half, uint32, uint64, variant}"
    )
    .aggregate().commutative()
    .simplified(.unchanged { node in node.inputs.count == 1 })
    .shape(ShapeFunctions.merged)
    .gradient(identityGradientForAllInputs)
    .elementwise(.same) { .modular(Functions.Plus.self, $0) }
    .sharding(ShardingRule.linearElementwise)
    .kernels(
        cpu: .numeric, gpu: [.floatingOrComplex, DTypeSet(.int32, .int64, .uint32)], int32OnHost: ["inputs", "sum"], make: addNKernel
    )
    .kernel(["T": DTypeSet(.variant)], gpu: ["T": DTypeSet(.variant)], make: variantSumKernel)
    .cuda(cudaAddNKernel)
    .cudaExpression { _ in "x + y" }

    /// The elementwise sum of tensors with a declared shape. TensorFlow may add inputs as they arrive; this kernel waits for
    /// all.
    static let accumulateNV2 = OpDefinition(
        "AccumulateNV2", "(inputs: N * T) -> (sum: T)", "N: int >= 1",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
            + "uint16, complex128, half, uint32, uint64}", "shape: shape"
    )
    .aggregate().commutative()
    .shape { c in
        try ShapeFunctions.merged(&c)
        if let declared = c.attributes.shape("shape") { c.setOutput(0, try c.outputs[0].merging(declared)) }
    }
    .gradient(identityGradientForAllInputs)
    .kernels(
        cpu: .numeric, gpu: [.floatingOrComplex, DTypeSet(.int32, .int64, .uint32)], int32OnHost: ["inputs", "sum"], make: addNKernel
    )
    .cuda(cudaAddNKernel)

    private static let identityGradientForAllInputs: Gradient = { g in [Output?](repeating: g.gradient(), count: g.inputs.count) }
}

@Sendable private func addNKernel(_ request: KernelRequest) throws -> Kernel {
    let type = try request.type("T")
    guard let loop = BinaryLoop.modular(Functions.Plus.self, type) else { throw request.unsupportedType("T") }
    let size = type.byteCount
    return .sync { context in
        let shape = try request.requireSameShapes(context)
        let inputCount = context.inputCount
        if inputCount == 1 { return context.setOutput(0, context.input(0)) }
        try withUnsafeTemporaryAllocation(of: UnsafeRawPointer.self, capacity: inputCount) { inputs in
            for index in 0..<inputCount { inputs.initializeElement(at: index, to: context.firstByte(index)) }
            let out = try context.output(0, type, shape, reusing: 0).mutableFirstByte
            context.pool.parallelFor(shape.elementCount, grain: max(1024, Grain.cheap / inputCount)) { range in
                // Works in blocks, so that the sum stays in the cache while the inputs are read.
                for start in stride(from: range.lowerBound, to: range.upperBound, by: 4096) {
                    let count = min(4096, range.upperBound - start)
                    let (offset, sum) = (start * size, out + start * size)
                    loop.apply(inputs[0] + offset, inputs[1] + offset, sum, count)
                    for index in 2..<max(inputCount, 2) { loop.apply(UnsafeRawPointer(sum), inputs[index] + offset, sum, count) }
                }
            }
        }
    }
}

extension KernelRequest {
    /// Returns the shape that all inputs have.
    fileprivate func requireSameShapes(_ context: borrowing KernelContext) throws -> Shape {
        let shape = context.shape(0)
        for index in 1..<max(context.inputCount, 1) where context.shape(index) != shape {
            throw Status.invalidArgument(
                "Inputs to operation \(name) of type \(op.name) must have the same size and shape.  "
                    + "Input 0: \(shape) != input \(index): \(context.shape(index))")
        }
        return shape
    }
}

/// Adds up to six tensors in one pass over memory; more in several, with the sum so far as the first operand.
@Sendable private func cudaAddNKernel(_ request: KernelRequest) throws -> Kernel {
    let type = try request.type("T")
    // A card adds the tensors that variants hold itself.
    guard type != .variant else { return variantSumKernel(request) }
    let device = try request.cudaDevice()
    let count = request.inputTypes.count
    let terms = ["x", "y", "z", "w", "u", "v"]
    let sizes = Set(stride(from: 0, to: max(count - 1, 0), by: terms.count - 1).map { min(terms.count, count - $0) })
    let programs = Dictionary(
        uniqueKeysWithValues: try sizes.map { size in
            let sum = terms.prefix(size).dropFirst().reduce("x") { "rounded<T>(\($0) + \($1))" }
            return (size, try CUDAElementwise(device, request.op.name, [DType](repeating: type, count: size), type, sum))
        })
    return .sync { context in
        let shape = try request.requireSameShapes(context)
        if count == 1 { return context.setOutput(0, context.input(0)) }
        let sum = try Tensor(type, shape, in: context.allocator)
        for start in stride(from: 0, to: count - 1, by: terms.count - 1) {
            let size = min(terms.count, count - start)
            let others = (start + 1..<start + size).map { context.input($0) }
            try programs[size]?.run([start == 0 ? context.input(0) : sum] + others, nil, sum)
        }
        context.setOutput(0, sum)
    }
}

@Sendable private func variantSumKernel(_ request: KernelRequest) -> Kernel {
    .sync { context in
        var sum = context.input(0)
        for index in 1..<max(context.inputCount, 1) {
            guard context.shape(index) == sum.shape else {
                throw Status.invalidArgument(
                    "Cannot add variant tensors of shapes \(sum.shape) and \(context.shape(index))")
            }
            sum = try TensorAddition.sum(sum, context.input(index))
        }
        context.setOutput(0, sum)
    }
}

extension GraphBuilder {
    /// Returns the elementwise sum of outputs of one dtype and shape (AddN).
    public func sum(_ outputs: [Output]) -> Output { add("AddN", outputs)[0] }
}
