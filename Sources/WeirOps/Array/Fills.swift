public import WeirGraph
import WeirKernels
public import WeirTensor

// Ops that fill a tensor with one value.

extension OpDefinition {
    /// Fills a tensor of a given shape with a scalar.
    static let fill = OpDefinition(
        "Fill", "(dims: index_type, value: T) -> (output: T)", "T: type", "index_type: {int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(1, 0)
        if c.integers(0)?.contains(where: { $0 < 0 }) == true {
            throw Status.invalidArgument("Fill dimensions must be >= 0")
        }
        c.setOutput(0, try c.shapeArgument(0))
    }
    .gradient { g in
        [nil, g.op("Sum", g.gradient(), g.op("Range", g.integer(0), g.op("Rank", g.gradient()), g.integer(1)))]
    }
    .kernel(
        ["T": .all], gpu: ["T": [.floatingOrComplex, DTypeSet(.bool, .int8, .int16, .int64, .uint8, .uint16)]],
        hostMemory: ["dims"],
        moving: { _ in fillKernel }
    )
    .kernel(
        ["T": .int32, "index_type": .int32], gpu: ["T": .int32, "index_type": .int32],
        hostMemory: ["dims", "value", "output"],
        moving: { _ in fillKernel }
    )

    /// Outputs zeros, or empty strings, in the shape of the input.
    static let zerosLike = OpDefinition("ZerosLike", "(x: T) -> (y: T)", "T: type")
        .shape { c in
            c.setOutput(0, c.input(0))
            c.passHandle()
        }
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernel(["T": zeroTypes], gpu: ["T": [.gpuMovable, DTypeSet(.variant)]], moving: { _ in zerosLikeKernel })
        .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["y"], moving: { _ in zerosLikeKernel })

    /// Outputs ones in the shape of the input.
    static let onesLike = OpDefinition(
        "OnesLike", "(x: T) -> (y: T)",
        "T: {bfloat16, half, float, double, int8, uint8, int16, uint16, int32, uint32, int64, uint64, "
            + "complex64, complex128, bool}"
    )
    .shape(ShapeFunctions.unchanged)
    .sharding(ShardingRule.elementwise)
    .noGradient()
    .kernel(["T": .numericOrBool], gpu: ["T": .gpuMovable], moving: onesLikeKernel)
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["y"], moving: onesLikeKernel)

    /// Allocates a tensor of a given shape. Its elements are zero if `init` is true, otherwise undefined.
    static let empty = OpDefinition("Empty", "(shape: int32) -> (output: dtype)", "dtype: type", "init: bool = false")
        .stateful()
        .shape { c in c.setOutput(0, try c.shapeArgument(0)) }
        .noGradient()
        .kernel(
            ["dtype": [.numericOrBool, DTypeSet(.string)]],
            gpu: ["dtype": [.floating, .index, DTypeSet(.int8, .uint8, .uint64)]], hostMemory: ["shape"],
            moving: { request in
                let (dtype, clears) = (try request.type("dtype"), try request.bool("init"))
                return { context, mover in
                    let sizes = context.input(0)
                    guard sizes.rank == 1 else {
                        throw Status.invalidArgument("shape must be a vector of int32, got shape \(sizes.shape)")
                    }
                    let output = try context.output(0, dtype, shapeFromInput(try sizes.integers("shape")))
                    if clears { try mover.clear(output) }
                }
            })

    private static let zeroTypes: DTypeSet = [.numericOrBool, DTypeSet(.string, .variant)]
}

private let fillKernel: MovingBody = { context, mover in
    let (sizes, value) = (context.input(0), context.input(1))
    guard sizes.rank <= 1 else {
        throw Status.invalidArgument("dims must represent a vector, got shape \(sizes.shape)")
    }
    guard value.rank == 0 || (value.rank == 1 && value.elementCount == 1) else {
        throw Status.invalidArgument("value must represent a scalar, got shape \(value.shape)")
    }
    let output = try context.output(0, value.dtype, shapeFromInput(try sizes.integers("dims")))
    try mover.fill(output, with: value)
}

private let zerosLikeKernel: MovingBody = { context, mover in
    let (dtype, shape) = (context.dtype(0), context.shape(0))
    guard dtype == .variant else { return try mover.clear(try context.output(0, dtype, shape, reusing: 0)) }
    let input = context.input(0)
    guard input.rank == 0 else {
        throw Status.invalidArgument("ZerosLike non-scalar Tensor with dtype=DT_VARIANT is not supported.")
    }
    try context.output(0, .variant, .scalar).mutableElements(Variant.self)[0] = try input.elements(Variant.self)[0].zerosLike()
}

@Sendable private func onesLikeKernel(_ request: KernelRequest) throws -> MovingBody {
    let dtype = try request.type("T")
    guard let one = Tensor(one: dtype) else { throw request.unsupportedType("T") }
    return { context, mover in
        let shape = context.shape(0)
        try mover.fill(try context.output(0, dtype, shape, reusing: 0), with: one)
    }
}

extension Tensor {
    /// Makes a scalar with the value one, or true. Returns nil for dtypes that have no such value.
    init?(one dtype: DType) {
        switch dtype {
        case .float32: self.init(Float(1))
        case .float64: self.init(Double(1))
        case .float16: self.init(Float16(1))
        case .bfloat16: self.init(BFloat16(1))
        case .complex64: self.init(Complex64(1))
        case .complex128: self.init(Complex128(1))
        case .int8: self.init(Int8(1))
        case .int16: self.init(Int16(1))
        case .int32: self.init(Int32(1))
        case .int64: self.init(Int64(1))
        case .uint8: self.init(UInt8(1))
        case .uint16: self.init(UInt16(1))
        case .uint32: self.init(UInt32(1))
        case .uint64: self.init(UInt64(1))
        case .bool: self.init(true)
        default: return nil
        }
    }
}

extension Output {
    /// Returns zeros, or empty strings, in the shape of this tensor (`ZerosLike`).
    public func zerosLike() -> Output { builder.add("ZerosLike", [self])[0] }
    /// Returns ones in the shape of this tensor (`OnesLike`).
    public func onesLike() -> Output { builder.add("OnesLike", [self])[0] }
}
extension GraphBuilder {
    /// Fills a tensor with `value`. The vector of integers `sizes` is its shape (`Fill`).
    public func filled(_ sizes: Output, with value: Output) -> Output { add("Fill", [sizes, value])[0] }
    /// Fills a tensor of shape `sizes` with `value` (`Fill`).
    public func filled(_ sizes: [Int], with value: Output) -> Output {
        filled(constant(Tensor(sizes.map { Int64($0) })), with: value)
    }
    /// Returns a tensor of zeros of shape `sizes` (`Fill`).
    public func zeros(_ sizes: [Int], _ dtype: DType = .float32) -> Output { filled(sizes, with: scalar(0, dtype)) }
    /// Returns a tensor of ones of shape `sizes` (`Fill`).
    public func ones(_ sizes: [Int], _ dtype: DType = .float32) -> Output { filled(sizes, with: scalar(1, dtype)) }
}
