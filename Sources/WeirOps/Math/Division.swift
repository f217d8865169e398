public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The quotient of two operands; integers round toward zero.
    static let div = binary("Div", divisionTypes, cpu: .numeric, gpu: .numeric) {
        .floatingOrComplex(Functions.Over.self, $0) ?? .division(Functions.TruncatedQuotient.self, $0)
    }
    .cuda(floating: "x / y", integer: "quotient(x, y)", complex: "x / y")
    .simplified(.neutral(.one(.real), isCommutative: false))
    .gradient { g in quotientGradient(g, "Div") }

    /// The quotient of two operands of floating-point or complex type.
    static let realDiv = binary("RealDiv", divisionTypes, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floatingOrComplex(Functions.Over.self, $0)
    }
    .cuda("x / y")
    .simplified(.neutral(.one(.real), isCommutative: false))
    .gradient { g in quotientGradient(g, "RealDiv") }

    /// The quotient of two operands; 0 where the divisor is 0.
    static let divNoNan = binary(
        "DivNoNan", "T: {half, float, bfloat16, double, complex64, complex128}", cpu: .floatingOrComplex, gpu: .floatingOrComplex
    ) { .floatingOrComplex(Functions.OverNoNaN.self, $0) }
    .cuda("y == number<C>(0) ? number<C>(0) : x / y")
    .gradient { g in quotientGradient(g, "DivNoNan") }

    /// The quotient of two operands, rounded down.
    static let floorDiv = binary("FloorDiv", divisionTypes, cpu: .real, gpu: .real) {
        .rounding(Functions.FloorDiv.self, $0) ?? .division(Functions.FloorDiv.self, $0)
    }
    .cuda(
        floating: "floor(rounded<T>(x / y))",
        integer: "remains(x, y) != 0 && (x < 0) != (y < 0) ? quotient(x, y) - 1 : quotient(x, y)"
    )
    .simplified(.neutral(.one(.integer), isCommutative: false))
    .knownValue { c in
        c.elementwise { dividend, divisor in
            guard divisor != 0 else { return nil }
            let (quotient, overflow) = dividend.dividedReportingOverflow(by: divisor)
            guard !overflow else { return nil }
            return dividend % divisor != 0 && (dividend < 0) != (divisor < 0) ? quotient - 1 : quotient
        }
    }
    .noGradient()

    /// The quotient of two operands, rounded toward zero.
    static let truncateDiv = binary("TruncateDiv", divisionTypes, cpu: .real, gpu: .real) {
        .rounding(Functions.TruncatedQuotient.self, $0) ?? .division(Functions.TruncatedQuotient.self, $0)
    }
    .cuda(floating: "trunc(rounded<T>(x / y))", integer: "quotient(x, y)")
    .simplified(.neutral(.one(.integer), isCommutative: false))
    .noGradient()

    /// The remainder of the division rounded down; it has the divisor's sign.
    static let floorMod = binary(
        "FloorMod", "T: {int8, int16, int32, int64, uint8, uint16, uint32, uint64, bfloat16, half, float, double}",
        cpu: .real, gpu: .real
    ) { .rounding(Functions.FloorRemainder.self, $0) ?? .division(Functions.FloorRemainder.self, $0) }
    .cuda(
        floating: "with_sign(fmod(x, y), y)", integer: "with_sign(remains(x, y), y)",
        with: "template <class N> DEVICE N with_sign(N r, N y) { return r != 0 && (r < 0) != (y < 0) ? (N)(r + y) : r; }"
    )
    .gradient { g in
        let quotient = g.op("FloorDiv", g.inputs[0], g.inputs[1])
        return g.unbroadcast(g.gradient(), g.op("Mul", g.gradient(), g.op("Neg", quotient)))
    }

    /// The remainder of the division rounded toward zero; it has the dividend's sign.
    static let truncateMod = binary(
        "TruncateMod", "T: {int32, int64, bfloat16, half, float, double}", cpu: [.floating, .index], gpu: DTypeSet(.int32)
    ) { .rounding(Functions.TruncatedRemainder.self, $0) ?? .division(Functions.TruncatedRemainder.self, $0) }

    /// Deprecated name of `TruncateMod`.
    static let mod = binary(
        "Mod", "T: {int32, int64, half, half, bfloat16, float, double}", cpu: [.floating, .index], gpu: DTypeSet(.int32)
    ) { .rounding(Functions.TruncatedRemainder.self, $0) ?? .division(Functions.TruncatedRemainder.self, $0) }

    private static let divisionTypes =
        "T: {bfloat16, half, float, double, uint8, int8, uint16, int16, int32, uint32, uint64, int64, complex64, complex128}"

    private static func quotientGradient(_ g: GradientContext, _ division: String) -> [Output?] {
        let (x, y) = (g.conjugate(g.inputs[0]), g.conjugate(g.inputs[1]))
        let slope = g.op(division, g.op(division, g.op("Neg", x), y), y)
        return g.unbroadcast(g.op(division, g.gradient(), y), g.op("Mul", g.gradient(), slope))
    }
}

extension BinaryLoop {
    /// Returns the loop of an integer division, which fails if a divisor is 0.
    fileprivate static func division<F: IntegerBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        guard var loop = BinaryLoop.integer(F.self, dtype) else { return nil }
        loop.check = { y, count in
            if hasZero(y, dtype.byteCount, count) { throw Status.invalidArgument("Integer division by zero") }
        }
        return loop
    }

    private static func hasZero(_ y: UnsafeRawPointer, _ size: Int, _ count: Int) -> Bool {
        func anyZero<E: FixedWidthInteger>(_ type: E.Type) -> Bool {
            let y = y.assumingMemoryBound(to: E.self)
            var found = 0
            for index in 0..<count { found |= y[index] == 0 ? 1 : 0 }
            return found != 0
        }
        switch size {
        case 1: return anyZero(UInt8.self)
        case 2: return anyZero(UInt16.self)
        case 4: return anyZero(UInt32.self)
        default: return anyZero(UInt64.self)
        }
    }

    /// Returns the loop of a floating-point function that rounds a quotient. The result jumps where the quotient reaches an
    /// integer, so every operation rounds to the element type.
    fileprivate static func rounding<F: RoundingBinary>(_ function: F.Type, _ dtype: DType) -> BinaryLoop? {
        switch dtype {
        case .float32: BinaryLoop(OfRounding<F, Float>.self)
        case .float64: BinaryLoop(OfRounding<F, Double>.self)
        case .float16: BinaryLoop(OfRounding<F, Float16>.self)
        case .bfloat16: BinaryLoop(OfRounding<F, BFloat16>.self)
        default: nil
        }
    }
}

private protocol RoundingBinary: SendableMetatype { static func apply<E: FloatingElement>(_ x: E, _ y: E) -> E }
private enum OfRounding<F: RoundingBinary, E: FloatingElement>: BinaryFunction {
    static func apply(_ x: E, _ y: E) -> E { F.apply(x, y) }
}

extension Functions {
    enum OverNoNaN: NumericBinary {
        static func apply<E: NumericElement>(_ x: E, _ y: E) -> E { y == .zero ? .zero : .dividedBy(x, y) }
        @inline(__always) static func apply(_ x: SIMD8<Float>, _ y: SIMD8<Float>) -> SIMD8<Float> {
            (x / y).replacing(with: 0, where: y .== 0)
        }
    }
    // The loop has checked that integer divisors are not 0. The least integer divided by -1 wraps.
    enum TruncatedQuotient: IntegerBinary, RoundingBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x.dividedReportingOverflow(by: y).partialValue }
        static func apply<E: FloatingElement>(_ x: E, _ y: E) -> E {
            E(compute: E.dividedBy(x, y).compute.rounded(.towardZero))
        }
    }
    enum TruncatedRemainder: IntegerBinary, RoundingBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E {
            x.remainderReportingOverflow(dividingBy: y).partialValue
        }
        static func apply<E: FloatingElement>(_ x: E, _ y: E) -> E { E(compute: E.Compute.fmod(x.compute, y.compute)) }
    }
    enum FloorDiv: IntegerBinary, RoundingBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E {
            let quotient = TruncatedQuotient.apply(x, y)
            let remainder = TruncatedRemainder.apply(x, y)
            return remainder != 0 && (x < 0) != (y < 0) ? quotient &- 1 : quotient
        }
        static func apply<E: FloatingElement>(_ x: E, _ y: E) -> E { E(compute: E.dividedBy(x, y).compute.rounded(.down)) }
    }
    enum FloorRemainder: IntegerBinary, RoundingBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E {
            let remainder = TruncatedRemainder.apply(x, y)
            return remainder != 0 && (remainder < 0) != (y < 0) ? remainder &+ y : remainder
        }
        static func apply<E: FloatingElement>(_ x: E, _ y: E) -> E {
            let remainder = E.Compute.fmod(x.compute, y.compute)
            return E(compute: remainder != 0 && (remainder < 0) != (y.compute < 0) ? remainder + y.compute : remainder)
        }
    }
}

extension Output {
    /// Returns the quotient of two operands, with broadcasting (RealDiv). Integers round down (FloorDiv).
    public static func / (x: Output, y: Output) -> Output {
        x.builder.add(x.dtype.isInteger ? "FloorDiv" : "RealDiv", [x, y])[0]
    }
    /// Returns the quotient of an operand and a number.
    public static func / (x: Output, y: Double) -> Output { x / x.scalar(y) }
    /// Returns the quotient of a number and an operand.
    public static func / (x: Double, y: Output) -> Output { y.scalar(x) / y }
    /// Returns the remainder of the division rounded down, with the divisor's sign (FloorMod).
    public static func % (x: Output, y: Output) -> Output { x.builder.add("FloorMod", [x, y])[0] }
    /// Returns the quotient; 0 where the divisor is 0 (DivNoNan).
    public func dividedNoNaN(by divisor: Output) -> Output { builder.add("DivNoNan", [self, divisor])[0] }
}
