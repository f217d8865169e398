public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The logical negation.
    static let logicalNot = OpDefinition("LogicalNot", "(x: bool) -> (y: bool)")
        .simplified(.selfInverse)
        .shape(ShapeFunctions.unchanged)
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernel(gpu: [:]) { _ in .elementwise(UnaryLoop(LogicalNot.self), .bool) }
        .cuda("!x")

    /// The logical conjunction of two operands.
    static let logicalAnd = OpDefinition("LogicalAnd", "(x: bool, y: bool) -> (z: bool)")
        .simplified(.neutral(.truth(true), isCommutative: true))
        .commutative()
        .shape(ShapeFunctions.broadcast)
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernel(gpu: [:]) { _ in .elementwise(BinaryLoop(OfIntegerBinary<Functions.And, UInt8>.self), .bool) }
        .cuda("x && y")

    /// The logical disjunction of two operands.
    static let logicalOr = OpDefinition("LogicalOr", "(x: bool, y: bool) -> (z: bool)")
        .simplified(.neutral(.truth(false), isCommutative: true))
        .commutative()
        .shape(ShapeFunctions.broadcast)
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernel(gpu: [:]) { _ in .elementwise(BinaryLoop(OfIntegerBinary<Functions.Or, UInt8>.self), .bool) }
        .cuda("x || y")

    /// The bitwise complement.
    static let invert = unary("Invert", MathTypes.integer, cpu: .integer, gpu: .integer) { .integer(Functions.Invert.self, $0) }
        .cuda("~x")
        .simplified(.selfInverse)
        .noGradient()

    /// The bitwise AND of two operands.
    static let bitwiseAnd = binary("BitwiseAnd", MathTypes.integer, cpu: .integer, gpu: .integer) { .bits(Functions.And.self, $0) }
        .cuda("x & y")
        .commutative().noGradient()
    /// The bitwise OR of two operands.
    static let bitwiseOr = binary("BitwiseOr", MathTypes.integer, cpu: .integer, gpu: .integer) { .bits(Functions.Or.self, $0) }
        .cuda("x | y")
        .commutative().noGradient()
    /// The bitwise XOR of two operands.
    static let bitwiseXor = binary("BitwiseXor", MathTypes.integer, cpu: .integer, gpu: .integer) { .bits(Functions.Xor.self, $0) }
        .cuda("x ^ y")
        .commutative().noGradient()

    /// x shifted left. The shift is clamped to 0 through the bit width less 1.
    static let leftShift = binary("LeftShift", MathTypes.integer, cpu: .integer, gpu: .integer) {
        .integer(Functions.LeftShift.self, $0)
    }
    .cuda(integer: "x << within_width(y)", with: cudaShift)
    .noGradient()
    /// x shifted right, with sign extension. The shift is clamped to 0 through the bit width less 1.
    static let rightShift = binary("RightShift", MathTypes.integer, cpu: .integer, gpu: .integer) {
        .integer(Functions.RightShift.self, $0)
    }
    .cuda(integer: "x >> within_width(y)", with: cudaShift)
    .noGradient()

    private static let cudaShift = """
        template <class N> DEVICE int within_width(N y) {
            const int most = 8 * sizeof(N) - 1;
            return y < 0 ? 0 : y > most ? most : (int)y;
        }
        """

    /// The number of bits that are set.
    static let populationCount = OpDefinition("PopulationCount", "(x: T) -> (y: uint8)", MathTypes.integer)
        .shape(ShapeFunctions.unchanged)
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernel(["T": .integer], gpu: ["T": .integer]) { request in
            switch try request.type("T").byteCount {
            case 1: .elementwise(UnaryLoop(PopulationCount<UInt8>.self), .uint8)
            case 2: .elementwise(UnaryLoop(PopulationCount<UInt16>.self), .uint8)
            case 4: .elementwise(UnaryLoop(PopulationCount<UInt32>.self), .uint8)
            default: .elementwise(UnaryLoop(PopulationCount<UInt64>.self), .uint8)
            }
        }
        .cuda("__popcll((uint64)x << (64 - 8 * (int)sizeof(C)))")
}

private enum LogicalNot: UnaryFunction {
    static func apply(_ x: Bool) -> Bool { !x }
}
private enum PopulationCount<E: IntegerElement>: UnaryFunction {
    static func apply(_ x: E) -> UInt8 { UInt8(truncatingIfNeeded: x.nonzeroBitCount) }
}

extension Functions {
    enum Invert: IntegerFunction { static func apply<E: IntegerElement>(_ x: E) -> E { ~x } }
    enum And: IntegerBinary { static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x & y } }
    enum Or: IntegerBinary { static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x | y } }
    enum Xor: IntegerBinary { static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x ^ y } }
    enum LeftShift: IntegerBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x &<< shiftWithinWidth(y) }
    }
    enum RightShift: IntegerBinary {
        static func apply<E: IntegerElement>(_ x: E, _ y: E) -> E { x &>> shiftWithinWidth(y) }
    }
    private static func shiftWithinWidth<E: IntegerElement>(_ y: E) -> E {
        let most = E(truncatingIfNeeded: E.bitWidth - 1)
        return y < 0 ? 0 : y > most ? most : y
    }
}

extension Output {
    /// Returns the logical negation of each element (LogicalNot).
    public func logicalNot() -> Output { builder.add("LogicalNot", [self])[0] }
    /// Returns the conjunction of this and another operand, with broadcasting (LogicalAnd).
    public func logicalAnd(_ other: Output) -> Output { builder.add("LogicalAnd", [self, other])[0] }
    /// Returns the disjunction of this and another operand, with broadcasting (LogicalOr).
    public func logicalOr(_ other: Output) -> Output { builder.add("LogicalOr", [self, other])[0] }
}
