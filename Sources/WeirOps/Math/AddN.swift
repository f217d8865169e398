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
        cpu: .numeric, gpu: [.floatingOrComplex, DTypeSet(.int32, .int64, .uint32)], int32OnHost: ["inputs", "sum"], make: addNKernel)

    private static let identityGradientForAllInputs: Gradient = { g in [Output?](repeating: g.gradient(), count: g.inputs.count) }
}

@Sendable private func addNKernel(_ request: KernelRequest) throws -> Kernel {
    let type = try request.type("T")
    guard let loop = BinaryLoop.modular(Functions.Plus.self, type) else { throw request.unsupportedType("T") }
    let size = type.byteCount
    return .sync { context in
        let shape = context.shape(0)
        let inputCount = context.inputCount
        for index in 1..<max(inputCount, 1) where context.shape(index) != shape {
            throw Status.invalidArgument(
                "Inputs to operation \(request.name) of type \(request.op.name) must have the same size and shape.  "
                    + "Input 0: \(shape) != input \(index): \(context.shape(index))")
        }
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
