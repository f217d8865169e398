public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The largest integer that is not greater than x.
    static let floor = unary("Floor", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(vector: Functions.Floor.self, $0)
    }
    .cuda("floor(x)")
    .noGradient()

    /// The smallest integer that is not less than x.
    static let ceil = unary("Ceil", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(vector: Functions.Ceil.self, $0)
    }
    .cuda("ceil(x)")
    .noGradient()

    /// The nearest integer; ties round to even. Integers stay as they are.
    static let round = unary(
        "Round", MathTypes.signedOrComplex, cpu: [.floating, .index], gpu: [.floating, .index]
    ) {
        .floating(vector: Functions.Round.self, $0) ?? .integer(Functions.Round.self, $0)
    }
    .cuda(floating: "rint(x)", integer: "x")
    .noGradient()

    /// The nearest integer; ties round to even.
    static let rint = unary("Rint", MathTypes.floating, cpu: .floating, gpu: .floating) {
        .floating(vector: Functions.Round.self, $0)
    }
    .cuda("rint(x)")
    .noGradient()

    /// Whether x is NaN.
    static let isNan = predicate("IsNan", Functions.IsNaN.self, cuda: "isnan(x)")
    /// Whether x is infinite.
    static let isInf = predicate("IsInf", Functions.IsInfinite.self, cuda: "isinf(x)")
    /// Whether x is a finite number.
    static let isFinite = predicate("IsFinite", Functions.IsFinite.self, cuda: "isfinite(x)")

    private static func predicate<F: FloatingPredicate>(_ name: String, _ function: F.Type, cuda expression: String) -> OpDefinition {
        OpDefinition(name, "(x: T) -> (y: bool)", MathTypes.floating)
            .shape(ShapeFunctions.unchanged)
            .sharding(ShardingRule.elementwise)
            .noGradient()
            .kernel(["T": .floating], gpu: ["T": .floating]) { request in
                guard let loop = UnaryLoop.predicate(F.self, try request.type("T")) else {
                    throw request.unsupportedType("T")
                }
                return .elementwise(loop, .bool)
            }
            .cuda(expression)
    }
}

extension Functions {
    enum Floor: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { x.rounded(.down) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { x.rounded(.down) }
    }
    enum Ceil: FloatingFunction, VectorUnary {
        static func apply<S: MathScalar>(_ x: S) -> S { x.rounded(.up) }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { x.rounded(.up) }
    }
    enum Round: FloatingFunction, VectorUnary, IntegerFunction {
        static func apply<S: MathScalar>(_ x: S) -> S { x.rounded(.toNearestOrEven) }
        static func apply<E: IntegerElement>(_ x: E) -> E { x }
        @inline(__always) static func apply(_ x: SIMD8<Float>) -> SIMD8<Float> { x.rounded(.toNearestOrEven) }
    }
    enum IsNaN: FloatingPredicate { static func apply<S: MathScalar>(_ x: S) -> Bool { x.isNaN } }
    enum IsInfinite: FloatingPredicate { static func apply<S: MathScalar>(_ x: S) -> Bool { x.isInfinite } }
    enum IsFinite: FloatingPredicate { static func apply<S: MathScalar>(_ x: S) -> Bool { x.isFinite } }
}

extension Output {
    /// Returns the largest integer that is not greater than each element.
    public func floor() -> Output { builder.add("Floor", [self])[0] }
    /// Returns the smallest integer that is not less than each element.
    public func ceil() -> Output { builder.add("Ceil", [self])[0] }
    /// Returns the nearest integer to each element; ties round to even.
    public func round() -> Output { builder.add("Round", [self])[0] }
    /// Returns whether each element is NaN.
    public func isNaN() -> Output { builder.add("IsNan", [self])[0] }
}
