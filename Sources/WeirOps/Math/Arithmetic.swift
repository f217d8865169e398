public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The sum of two operands; strings are concatenated.
    static let add = OpDefinition(
        "Add", "(x: T, y: T) -> (z: T)",
        "T: {bfloat16, half, float, double, uint8, int8, int16, int32, int64, complex64, complex128, string}"
    )
    .simplified(.neutral(.zero(.integer), isCommutative: true))
    .fusing(as: .sum)
    .shape(ShapeFunctions.broadcast)
    .knownValue { c in c.elementwise { $0 &+ $1 } }
    .elementwise { .modular(Functions.Plus.self, $0) }
    .sharding(ShardingRule.linearElementwise)
    .gradient { g in g.unbroadcast(g.gradient(), g.gradient()) }
    .kernels(
        cpu: [.signed, .complex, DTypeSet(.uint8)], gpu: [.signed, .complex, DTypeSet(.uint8)],
        int32OnHost: ["x", "y", "z"], make: sumKernel
    )
    .cuda("x + y")
    .kernel(["T": DTypeSet(.string)]) { _ in concatenationKernel }

    /// The sum of two operands.
    static let addV2 = OpDefinition(
        "AddV2", "(x: T, y: T) -> (z: T)",
        "T: {bfloat16, half, float, double, uint8, uint16, uint32, uint64, int8, int16, int32, int64, complex64, complex128}"
    )
    .aggregate().commutative()
    .simplified(.neutral(.zero(.integer), isCommutative: true))
    .fusing(as: .sum)
    .shape(ShapeFunctions.broadcast)
    .knownValue { c in c.elementwise { $0 &+ $1 } }
    .elementwise { .modular(Functions.Plus.self, $0) }
    .sharding(ShardingRule.linearElementwise)
    .gradient { g in g.unbroadcast(g.gradient(), g.gradient()) }
    .kernels(cpu: .numeric, gpu: .numeric, int32OnHost: ["x", "y", "z"], make: sumKernel)
    .cuda("x + y")

    /// The difference of two operands.
    static let sub = binary(
        "Sub",
        "T: {bfloat16, half, float, double, uint8, int8, uint16, int16, int32, int64, complex64, complex128, uint32, uint64}",
        cpu: .numeric, gpu: .numeric
    ) { .modular(Functions.Minus.self, $0) }
    .cuda("x - y")
    .simplified(.neutral(.zero(.real), isCommutative: false))
    .sharding(ShardingRule.linearElementwise)
    .knownValue { c in c.elementwise { $0 &- $1 } }
    .gradient { g in g.unbroadcast(g.gradient(), g.op("Neg", g.gradient())) }

    /// The product of two operands.
    static let mul = binary(
        "Mul",
        "T: {bfloat16, half, float, double, uint8, int8, uint16, int16, int32, uint32, uint64, int64, complex64, complex128}",
        cpu: .numeric, gpu: .numeric
    ) { .modular(Functions.Times.self, $0) }
    .cuda("x * y")
    .commutative()
    // Only for real types: a complex 1 times an infinity is NaN.
    .simplified(.neutral(.one(.real), isCommutative: true))
    .knownValue { c in c.elementwise { $0 &* $1 } }
    .gradient { g in
        g.unbroadcast(
            g.op("Mul", g.gradient(), g.conjugate(g.inputs[1])), g.op("Mul", g.conjugate(g.inputs[0]), g.gradient()))
    }

    /// The product of two operands; 0 where the second is 0, even if the first is infinite or NaN.
    static let mulNoNan = binary("MulNoNan", MathTypes.inexact, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floatingOrComplex(Functions.TimesNoNaN.self, $0)
    }
    .cuda("y == number<C>(0) ? number<C>(0) : x * y")
    .gradient { g in
        g.unbroadcast(g.op("MulNoNan", g.gradient(), g.inputs[1]), g.op("MulNoNan", g.inputs[0], g.gradient()))
    }

    /// The square of the difference of two operands.
    static let squaredDifference = binary(
        "SquaredDifference", "T: {bfloat16, half, float, double, int32, int64, complex64, complex128}",
        cpu: [.floatingOrComplex, .index], gpu: [.floating, .index]
    ) {
        .modular(Functions.SquaredDifference.self, $0)
    }
    .cuda("rounded<T>(x - y) * rounded<T>(x - y)")
    .commutative()
    .gradient { g in
        let difference = g.op("Sub", g.inputs[0], g.inputs[1])
        let flow = g.op("Mul", g.op("Mul", g.scalar(2, like: g.gradient()), g.gradient()), difference)
        return g.unbroadcast(flow, g.op("Neg", flow))
    }
}

@Sendable private func sumKernel(_ request: KernelRequest) throws -> Kernel {
    let type = try request.type("T")
    guard let loop = BinaryLoop.modular(Functions.Plus.self, type) else { throw request.unsupportedType("T") }
    return .elementwise(loop, type)
}

extension Functions {
    enum Minus: NumericBinary {
        static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { .minus(x, y) }
        @inline(__always) static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> { x - y }
    }
    enum TimesNoNaN: NumericBinary {
        static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { y == .zero ? .zero : .times(x, y) }
        @inline(__always) static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> {
            (x * y).replacing(with: 0, where: y .== 0)
        }
    }
    /// For complex numbers the squared magnitude of the difference.
    enum SquaredDifference: NumericBinary {
        static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { E.minus(x, y).squaredMagnitude }
        @inline(__always) static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> { (x - y) * (x - y) }
    }
}

/// Concatenates strings elementwise. Reserves the memory budget for the result first, because broadcasting repeats operands.
private let concatenationKernel: Kernel = {
    guard case .sync(let body) = Kernel.elementwise(BinaryLoop(Concatenation.self), .string) else { preconditionFailure("it waits for nothing") }
    return .sync { context in
        let (x, y) = (context.input(0), context.input(1))
        let count = (try? PartialShape(x.shape).broadcasting(PartialShape(y.shape)).elementCount) ?? 0
        for operand in [x, y] where operand.elementCount > 0 {
            let (size, overflow) = (operand.textSize / operand.elementCount + 1).multipliedReportingOverflow(by: count)
            try MemoryBudget.take(overflow ? .max : size)
        }
        try body(context)
    }
}()

private enum Concatenation: BinaryFunction {
    static func apply(_ x: ByteString, _ y: ByteString) -> ByteString { ByteString(x.bytes + y.bytes) }
}

extension Output {
    /// Returns the sum of two operands, with broadcasting (AddV2).
    public static func + (x: Output, y: Output) -> Output { x.builder.add("AddV2", [x, y])[0] }
    /// Returns the sum of an operand and a number.
    public static func + (x: Output, y: Double) -> Output { x + x.scalar(y) }
    /// Returns the sum of a number and an operand.
    public static func + (x: Double, y: Output) -> Output { y.scalar(x) + y }
    /// Returns the difference of two operands, with broadcasting (Sub).
    public static func - (x: Output, y: Output) -> Output { x.builder.add("Sub", [x, y])[0] }
    /// Returns the difference of an operand and a number.
    public static func - (x: Output, y: Double) -> Output { x - x.scalar(y) }
    /// Returns the difference of a number and an operand.
    public static func - (x: Double, y: Output) -> Output { y.scalar(x) - y }
    /// Returns the product of two operands, with broadcasting (Mul).
    public static func * (x: Output, y: Output) -> Output { x.builder.add("Mul", [x, y])[0] }
    /// Returns the product of an operand and a number.
    public static func * (x: Output, y: Double) -> Output { x * x.scalar(y) }
    /// Returns the product of a number and an operand.
    public static func * (x: Double, y: Output) -> Output { y.scalar(x) * y }

    /// Returns the squared difference to another operand, with broadcasting (SquaredDifference).
    public func squaredDifference(_ other: Output) -> Output { builder.add("SquaredDifference", [self, other])[0] }

    /// Returns a scalar constant of this output's dtype.
    func scalar(_ value: Double) -> Output { builder.scalar(value, dtype) }
}
