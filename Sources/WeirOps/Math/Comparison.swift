public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Whether two operands are equal, elementwise.
    static let equal = equality("Equal", Functions.Equal.self, ofIncompatible: false, cuda: "x == y")
    /// Whether two operands differ, elementwise.
    static let notEqual = equality("NotEqual", Functions.NotEqual.self, ofIncompatible: true, cuda: "x != y")

    /// Whether the first operand is less than the second.
    static let less = ordering("Less", cuda: "x < y") { .ordering(Functions.Less.self, $0) }
    /// Whether the first operand is less than or equal to the second.
    static let lessEqual = ordering("LessEqual", cuda: "x <= y") { .ordering(Functions.LessEqual.self, $0) }
    /// Whether the first operand is greater than the second.
    static let greater = ordering("Greater", cuda: "x > y") { BinaryLoop.ordering(Functions.Less.self, $0)?.swapped }
    /// Whether the first operand is greater than or equal to the second.
    static let greaterEqual = ordering("GreaterEqual", cuda: "x >= y") { BinaryLoop.ordering(Functions.LessEqual.self, $0)?.swapped }

    /// Whether two operands differ by at most a tolerance.
    static let approximateEqual = OpDefinition(
        "ApproximateEqual", "(x: T, y: T) -> (z: bool)",
        "T: {float, double, int32, uint8, int16, int8, complex64, int64, qint8, quint8, qint32, bfloat16, qint16, quint16, "
            + "uint16, complex128, half, uint32, uint64}", "tolerance: float = 9.99999975e-06"
    )
    .commutative()
    .shape(ShapeFunctions.merged)
    .sharding(ShardingRule.elementwise)
    .noGradient()
    .kernel(["T": DTypeSet(.float32, .float64)], gpu: ["T": DTypeSet(.float32, .float64)]) { request in
        let tolerance = try request.float("tolerance")
        let double = try request.type("T") == .float64
        return .sync { context in
            let shape = try sameShape(context)
            func compare<S: MathScalar>(_ type: S.Type, _ context: borrowing KernelContext) throws {
                let (x, y) = (context.elements(0, S.self), context.elements(1, S.self))
                let out = try context.output(0, .bool, shape).mutableElements(Bool.self)
                for index in 0..<x.count { out[index] = (x[index] - y[index]).magnitude <= S(tolerance) }
            }
            if double { try compare(Double.self, context) } else { try compare(Float.self, context) }
        }
    }
    .cuda { request in
        let (type, tolerance) = (try request.type("T"), try request.float("tolerance"))
        let elementwise = try CUDAElementwise(
            request.cudaDevice(), request.op.name, [type, type], .bool, "fabs(x - y) <= (C)__int_as_float(\(Int32(bitPattern: tolerance.bitPattern)))")
        return .sync { context in
            let shape = try sameShape(context)
            try elementwise.run([context.input(0), context.input(1)], nil, try context.output(0, .bool, shape))
        }
    }

    private static func sameShape(_ context: borrowing KernelContext) throws -> Shape {
        let shape = context.shape(0)
        guard shape == context.shape(1) else {
            throw Status.invalidArgument(
                "x and y must be of the same shape. x shape: \(shape). y shape: \(context.shape(1))")
        }
        return shape
    }

    private static func ordering(
        _ name: String, cuda expression: String, _ loop: @escaping @Sendable (DType) -> BinaryLoop?
    ) -> OpDefinition {
        OpDefinition(
            name, "(x: T, y: T) -> (z: bool)",
            "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"
        )
        .shape(ShapeFunctions.broadcast)
        .sharding(ShardingRule.elementwise)
        .noGradient()
        .kernels(cpu: .real, gpu: .real, int32OnHost: ["x", "y", "z"]) { request in
            guard let loop = loop(try request.type("T")) else { throw request.unsupportedType("T") }
            return .elementwise(loop, .bool)
        }
        .cuda(expression)
    }

    private static func equality<F: Equality>(
        _ name: String, _ function: F.Type, ofIncompatible: Bool, cuda expression: String
    ) -> OpDefinition {
        OpDefinition(name, "(x: T, y: T) -> (z: bool)", "T: type", "incompatible_shape_error: bool = true")
            .commutative()
            .shape(equalityShape)
            .sharding(ShardingRule.elementwise)
            .noGradient()
            .kernels(
                cpu: [.bitwise, DTypeSet(.string)], gpu: [.numeric, DTypeSet(.bool)], int32OnHost: ["x", "y", "z"]
            ) { request in
                guard let loop = BinaryLoop.equality(F.self, try request.type("T")) else {
                    throw request.unsupportedType("T")
                }
                if try request.bool("incompatible_shape_error") { return .elementwise(loop, .bool) }
                return .sync { context in
                    if Broadcast.areCompatible(context.shape(0), context.shape(1)) { return try context.apply(loop, .bool) }
                    try context.output(0, .bool, .scalar).mutableElements(Bool.self)[0] = ofIncompatible
                }
            }
            .cuda { request in
                let kernel = try Kernel.cudaElementwise(request, expression)
                guard case .sync(let body) = kernel, try !request.bool("incompatible_shape_error") else { return kernel }
                let device = try request.cudaDevice()
                return .sync { context in
                    if Broadcast.areCompatible(context.shape(0), context.shape(1)) { return try body(context) }
                    try device.fill(context.output(0, .bool, .scalar), byte: ofIncompatible ? 1 : 0)
                }
            }
            .cudaExpression { _ in expression }
    }

    @Sendable private static func equalityShape(_ c: inout ShapeContext) throws {
        if c.attributes.bool("incompatible_shape_error") ?? true { return try ShapeFunctions.broadcast(&c) }
        // Incompatible shapes produce a scalar, so only fully known shapes determine the output's shape.
        guard c.input(0).isFullyKnown, c.input(1).isFullyKnown else { return }
        c.setOutput(0, (try? c.input(0).broadcasting(c.input(1))) ?? .scalar)
    }
}

extension Functions {
    enum Equal: Equality { static func apply<E: Equatable>(_ x: E, _ y: E) -> Bool { x == y } }
    enum NotEqual: Equality { static func apply<E: Equatable>(_ x: E, _ y: E) -> Bool { x != y } }
    enum Less: Ordering { static func apply<E: Comparable>(_ x: E, _ y: E) -> Bool { x < y } }
    enum LessEqual: Ordering { static func apply<E: Comparable>(_ x: E, _ y: E) -> Bool { x <= y } }
}

extension Output {
    /// Returns whether elements equal another operand's, with broadcasting (Equal).
    public func equal(_ other: Output) -> Output { builder.add("Equal", [self, other])[0] }
    /// Returns whether elements equal a number.
    public func equal(_ other: Double) -> Output { equal(scalar(other)) }
    /// Returns whether elements differ from another operand's, with broadcasting (NotEqual).
    public func notEqual(_ other: Output) -> Output { builder.add("NotEqual", [self, other])[0] }
    /// Returns whether elements differ from a number.
    public func notEqual(_ other: Double) -> Output { notEqual(scalar(other)) }
    /// Returns whether elements are less than another operand's, with broadcasting (Less).
    public func less(_ other: Output) -> Output { builder.add("Less", [self, other])[0] }
    /// Returns whether elements are less than a number.
    public func less(_ other: Double) -> Output { less(scalar(other)) }
    /// Returns whether elements are less than or equal to another operand's, with broadcasting (LessEqual).
    public func lessEqual(_ other: Output) -> Output { builder.add("LessEqual", [self, other])[0] }
    /// Returns whether elements are less than or equal to a number.
    public func lessEqual(_ other: Double) -> Output { lessEqual(scalar(other)) }
    /// Returns whether elements are greater than another operand's, with broadcasting (Greater).
    public func greater(_ other: Output) -> Output { builder.add("Greater", [self, other])[0] }
    /// Returns whether elements are greater than a number.
    public func greater(_ other: Double) -> Output { greater(scalar(other)) }
    /// Returns whether elements are greater than or equal to another operand's, with broadcasting (GreaterEqual).
    public func greaterEqual(_ other: Output) -> Output { builder.add("GreaterEqual", [self, other])[0] }
    /// Returns whether elements are greater than or equal to a number.
    public func greaterEqual(_ other: Double) -> Output { greaterEqual(scalar(other)) }
}
