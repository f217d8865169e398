public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// x to the power of y.
    static let pow = binary(
        "Pow", "T: {bfloat16, float, half, double, int8, int16, int32, int64, complex64, complex128}",
        cpu: [.signed, .complex], gpu: [.floating, DTypeSet(.int8, .int16, .int64)]
    ) {
        .floating(Functions.Pow.self, $0) ?? .integerPower($0) ?? .complex(Functions.Pow.self, $0)
    }
    .cuda(floating: "pow(x, y)", integer: "integer_power(x, y)", with: integerPower)
    .gradient { g in
        let (x, y, z) = (g.conjugate(g.inputs[0]), g.conjugate(g.inputs[1]), g.conjugate(g.outputs[0]))
        let less = g.op("Sub", y, g.scalar(1, like: y))
        let flow = g.op("Mul", g.op("Mul", g.gradient(), y), g.op("Pow", x, less))
        // Where x has no logarithm, the gradient of y is 0.
        let zero = g.op("ZerosLike", x)
        let hasLogarithm = g.op(x.dtype.isComplex ? "NotEqual" : "Greater", x, g.scalar(0, like: x))
        let safe = g.op("SelectV2", hasLogarithm, x, g.op("OnesLike", x))
        let logarithm = g.op("SelectV2", hasLogarithm, g.op("Log", safe), zero)
        return g.unbroadcast(flow, g.op("Mul", g.op("Mul", g.gradient(), z), logarithm))
    }

    /// The angle of the point (x, y) from the x axis, in radians.
    static let atan2 = binary(
        "Atan2", MathTypes.floating, cpu: .floating, gpu: .floating, signature: "(y: T, x: T) -> (z: T)"
    ) { .floating(Functions.Atan2.self, $0) }
    .cuda("atan2(x, y)")
    .gradient { g in
        let (y, x) = (g.inputs[0], g.inputs[1])
        let flow = g.op("RealDiv", g.gradient(), g.op("AddV2", g.op("Square", x), g.op("Square", y)))
        return g.unbroadcast(g.op("Mul", x, flow), g.op("Mul", g.op("Neg", y), flow))
    }

    /// `x / y`; 0 where x is 0.
    static let xdivy = binary("Xdivy", xTypes, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Xdivy.self, $0, grain: Grain.cheap) ?? .complex(Functions.Xdivy.self, $0)
    }
    .cuda("x == number<C>(0) ? number<C>(0) : x / y")
    .gradient { g in
        let (x, y) = (g.inputs[0], g.inputs[1])
        let slope = g.op("Xdivy", g.op("Neg", x), g.op("Square", y))
        return g.unbroadcast(
            g.op("Mul", g.gradient(), g.op("Xdivy", indicator(g, x), y)), g.op("Mul", g.gradient(), slope))
    }

    /// `x · log(y)`; 0 where x is 0.
    static let xlogy = binary("Xlogy", xTypes, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Xlogy.self, $0) ?? .complex(Functions.Xlogy.self, $0)
    }
    .cuda(xTimes: "log")
    .gradient { g in
        let (x, y) = (g.inputs[0], g.inputs[1])
        return g.unbroadcast(
            g.op("Mul", g.gradient(), g.op("Xlogy", indicator(g, x), y)), g.op("Mul", g.gradient(), g.op("Xdivy", x, y)))
    }

    /// `x · log(1 + y)`; 0 where x is 0.
    static let xlog1py = binary("Xlog1py", xTypes, cpu: .floatingOrComplex, gpu: .floatingOrComplex) {
        .floating(Functions.Xlog1py.self, $0) ?? .complex(Functions.Xlog1py.self, $0)
    }
    .cuda(xTimes: "log1p")
    .gradient { g in
        let (x, y) = (g.inputs[0], g.inputs[1])
        let slope = g.op("Xdivy", x, g.op("AddV2", y, g.scalar(1, like: y)))
        return g.unbroadcast(
            g.op("Mul", g.gradient(), g.op("Xlog1py", indicator(g, x), y)), g.op("Mul", g.gradient(), slope))
    }

    /// The next representable number after x1 in the direction of x2.
    static let nextAfter = binary(
        "NextAfter", "T: {double, float} = float", cpu: DTypeSet(.float32, .float64), gpu: DTypeSet(.float32, .float64),
        signature: "(x1: T, x2: T) -> (output: T)"
    ) { .floating(Functions.NextAfter.self, $0) }
    .cuda("nextafter(x, y)")
    .gradient { g in
        g.unbroadcast(g.gradient(), g.op("Mul", g.scalar(0, like: g.gradient()), g.gradient()))
    }

    /// The power of integers. A negative exponent, for which a card cannot fail, gives the quotient rounded toward zero.
    private static let integerPower = """
        template <class N> DEVICE N integer_power(N x, N y) {
            if (y < 0) return x == (N)1 || (x == (N)-1 && !(y & 1)) ? (N)1 : x == (N)-1 ? (N)-1 : (N)0;
            uint64 base = (uint64)x, power = 1;
            for (; y > 0; y >>= 1) {
                if (y & 1) power *= base;
                base *= base;
            }
            return (N)power;
        }
        """

    private static let xTypes = "T: {half, bfloat16, float, double, complex64, complex128}"

    /// Returns 1 where x is not 0, otherwise 0.
    private static func indicator(_ g: GradientContext, _ x: Output) -> Output {
        g.op("Cast", g.op("NotEqual", x, g.scalar(0, like: x)), attributes: ["DstT": .type(x.dtype)])
    }
}

extension BinaryLoop {
    fileprivate static func integerPower(_ dtype: DType) -> BinaryLoop? {
        guard DTypeSet.signedInteger.contains(dtype), var loop = BinaryLoop.integer(Functions.Pow.self, dtype) else { return nil }
        loop.check = { y, count in
            if hasNegative(y, dtype, count) {
                throw Status.invalidArgument("Integers to negative integer powers are not allowed")
            }
        }
        return loop
    }
    private static func hasNegative(_ y: UnsafeRawPointer, _ dtype: DType, _ count: Int) -> Bool {
        func anyNegative<E: FixedWidthInteger>(_ type: E.Type) -> Bool {
            let y = y.assumingMemoryBound(to: E.self)
            return (0..<count).contains { y[$0] < 0 }
        }
        switch dtype {
        case .int8: return anyNegative(Int8.self)
        case .int16: return anyNegative(Int16.self)
        case .int32: return anyNegative(Int32.self)
        default: return anyNegative(Int64.self)
        }
    }
}

extension Functions {
    enum Pow: FloatingBinary, IntegerBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ x: S, _ y: S) -> S { S.pow(x, y) }
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E {
            var (base, exponent, power) = (x, y, E.one)
            while exponent > 0 {
                if exponent & 1 == 1 { power = power &* base }
                base = base &* base
                exponent >>= 1
            }
            return power
        }
        static func apply(_ x: Complex128, _ y: Complex128) -> Complex128 { ComplexFunctions.pow(x, y) }
    }
    enum Atan2: FloatingBinary {
        static func apply<S: MathScalar>(_ y: S, _ x: S) -> S { S.atan2(y, x) }
    }
    enum Xdivy: FloatingBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ x: S, _ y: S) -> S { x == 0 ? 0 : x / y }
        static func apply(_ x: Complex128, _ y: Complex128) -> Complex128 { x == Complex128(0) ? x : x / y }
    }
    enum Xlogy: FloatingBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ x: S, _ y: S) -> S { x == 0 ? 0 : x * S.log(y) }
        static func apply(_ x: Complex128, _ y: Complex128) -> Complex128 {
            x == Complex128(0) ? x : x * ComplexFunctions.log(y)
        }
    }
    enum Xlog1py: FloatingBinary, ComplexBinary {
        static func apply<S: MathScalar>(_ x: S, _ y: S) -> S { x == 0 ? 0 : x * S.log1p(y) }
        static func apply(_ x: Complex128, _ y: Complex128) -> Complex128 {
            x == Complex128(0) ? x : x * ComplexFunctions.Log1p.apply(y)
        }
    }
    enum NextAfter: FloatingBinary {
        static func apply<S: MathScalar>(_ x: S, _ y: S) -> S { S.nextafter(x, y) }
    }
}

extension Output {
    /// Returns each element to the power of another operand's, with broadcasting (Pow).
    public func pow(_ exponent: Output) -> Output { builder.add("Pow", [self, exponent])[0] }
    /// Returns each element to the power of a number.
    public func pow(_ exponent: Double) -> Output { pow(scalar(exponent)) }
}
