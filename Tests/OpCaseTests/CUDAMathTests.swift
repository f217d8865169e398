import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// The math ops on an emulated card give what they give on the CPU: for special values, and for sizes that take a kernel's other ways.
@Suite("Math ops on a card and on the CPU", .timeLimit(.minutes(5)))
struct CUDAMathTests {
    private static let floats: [Float] = [
        .nan, 0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNormalMagnitude, .greatestFiniteMagnitude, 1, -1, 0.5, -0.5, 1.5,
        2.5, -2.5, 1e-8, 0.99, -0.99, 3.75, -7, 20, -20, 88, 100, 1e10, 2_147_483_648, -2_147_483_904, 9.3e18, 4e9, 1e30,
    ]
    /// All pairs of values, as two tensors.
    private static func pairs<E: TensorElement>(_ values: [E]) -> [Tensor] {
        [Tensor(values.flatMap { x in values.map { _ in x } }), Tensor(values.flatMap { _ in values })]
    }
    private static func integers<I: FixedWidthInteger>(_ type: I.Type) -> [I] {
        [.min, .min &+ 1, .max, .max - 1, 0, 1, 2, 3, 7, 100, 0 &- 1, 0 &- 2, 0 &- 7, 31, 63, 64]
    }

    @Test("functions of special values", arguments: [DType.float32, .float64, .float16, .bfloat16])
    func specialValues(_ dtype: DType) throws {
        let tolerance = dtype == .float64 ? 1e-13 : dtype == .float32 ? 4e-6 : dtype == .float16 ? 1e-3 : 8e-3
        let exact = [
            "Neg", "Abs", "Sign", "Floor", "Ceil", "Round", "Rint", "Square", "Sqrt", "Rsqrt", "Reciprocal", "IsNan", "IsInf", "IsFinite",
        ]
        let near = [
            "Exp", "Expm1", "Log", "Log1p", "Tanh", "Sigmoid", "Sin", "Cos", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh",
            "Erf", "Erfc", "Lgamma", "Ndtri", "Digamma",
        ]
        let values = [Tensor(CUDAMathTests.floats)]
        func all(_ names: [String], _ tolerance: Double) throws {
            for name in names {
                try CUDAComparison(tolerance: tolerance)(name, values) { b, x in [b.add(name, [x[0].cast(to: dtype)])[0]] }
            }
        }
        try all(exact, 0)
        try all(near, tolerance)
        // The CPU takes the quantile of (1 + x) / 2, as TensorFlow's does, whose rounding is 1e-8 of the smallest value here.
        try all(["Erfinv"], max(tolerance, 2e-8))
    }

    @Test("functions of pairs of special values", arguments: [DType.float32, .float64, .float16])
    func specialPairs(_ dtype: DType) throws {
        let names = [
            "AddV2", "Sub", "Mul", "RealDiv", "DivNoNan", "MulNoNan", "FloorDiv", "TruncateDiv", "FloorMod", "Maximum", "Minimum",
            "SquaredDifference", "Xdivy", "Equal", "NotEqual", "Less", "LessEqual", "Greater", "GreaterEqual",
        ]
        try CUDAComparison()("\(dtype)", CUDAMathTests.pairs(CUDAMathTests.floats)) { b, x in
            names.map { b.add($0, [x[0].cast(to: dtype), x[1].cast(to: dtype)])[0] }
        }
        try CUDAComparison(tolerance: 1e-3)("\(dtype)", CUDAMathTests.pairs(CUDAMathTests.floats)) { b, x in
            ["Pow", "Atan2", "Xlogy", "Xlog1py"].map { b.add($0, [x[0].cast(to: dtype), x[1].cast(to: dtype)])[0] }
        }
    }

    @Test("integers wrap")
    func integers() throws {
        func check<I: TensorElement & FixedWidthInteger>(_ type: I.Type) throws {
            let values = CUDAMathTests.integers(I.self)
            let pairs = CUDAMathTests.pairs(values)
            try CUDAComparison()("\(I.self)", pairs) { b, x in
                ["AddV2", "Sub", "Mul", "Maximum", "Minimum", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "LeftShift", "RightShift", "Less", "Equal"]
                    .map { b.add($0, x)[0] }
            }
            let left = values.flatMap { x in values.map { _ in x } }, right = values.flatMap { _ in values.map { $0 == 0 ? 5 : $0 } }
            try CUDAComparison()("\(I.self), quotients", [Tensor(left), Tensor(right)]) { b, x in
                ["Div", "FloorDiv", "TruncateDiv", "FloorMod"].map { b.add($0, x)[0] }
            }
            try CUDAComparison()("\(I.self), functions", [Tensor(values)]) { b, x in
                (["Square", "Invert", "PopulationCount"] + (I.isSigned ? ["Neg", "Abs", "Sign"] : [])).map { b.add($0, x)[0] }
            }
        }
        try check(Int8.self)
        try check(Int16.self)
        try check(Int64.self)
        try check(UInt8.self)
        try check(UInt16.self)
        try check(UInt32.self)
        try check(UInt64.self)
        let (bases, exponents) = ([-3, -1, 0, 1, 2, 10, .max, .min] as [Int64], [0, 1, 2, 3, 31, 63, 64, .max] as [Int64])
        try CUDAComparison()("powers", [Tensor(bases, ofShape: [8, 1]), Tensor(exponents)]) { b, x in [b.add("Pow", x)[0]] }
    }

    @Test("conversions between all types")
    func casts() throws {
        let types: [DType] = [
            .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .uint64, .bool, .float32, .float64, .float16, .bfloat16, .complex64, .complex128,
        ]
        for source in types {
            let values =
                source.isInteger ? Tensor(CUDAMathTests.integers(Int64.self)) : Tensor(CUDAMathTests.floats.map(Double.init) + [1.8e19, -1.8e19, 65519, 65520])
            for truncate in [false, true] {
                try CUDAComparison()("from \(source)", [values]) { b, x in
                    let from = x[0].cast(to: source)
                    return types.filter { $0 != source }.map {
                        b.add("Cast", [from], attributes: ["DstT": .type($0), "Truncate": .bool(truncate)])[0]
                    }
                }
            }
        }
    }

    @Test("shapes that are broadcast, of up to eight dimensions")
    func broadcasts() throws {
        let shapes: [(Shape, Shape)] = [
            ([3, 1, 5], [4, 1]), ([2, 1, 2, 1, 2, 1, 2, 1], [1, 3, 1, 3, 1, 3, 1, 3]), ([300, 7], [7]), ([300, 7], [300, 1]), ([], [5]), ([0, 3], [1, 3]),
            ([70_001], [70_001]), ([70_001], [1]), ([1, 1], [33, 1]),
        ]
        for (left, right) in shapes {
            func numbers(_ shape: Shape, _ scale: Float) -> Tensor { Tensor((0..<shape.elementCount).map { Float($0 % 1000) * scale }, ofShape: shape) }
            try CUDAComparison()("\(left) \(right)", [numbers(left, 0.5), numbers(right, 3)]) { b, x in
                [x[0] - x[1], x[0].less(x[1]), b.add("SelectV2", [x[0].less(x[1]), x[0], x[1]])[0]]
            }
        }
        let values = Tensor((0..<1000).map { Float($0) })
        try CUDAComparison()("a sum of eight", [values]) { b, x in
            [b.add("AddN", [x[0], x[0] * x[0], x[0], x[0] + 1, x[0], x[0], -x[0], x[0]])[0]]
        }
    }

    @Test("cumulative sums and products along any axis", arguments: [false, true])
    func scans(_ isReverse: Bool) throws {
        for shape in [[1], [1023], [1025], [9000], [3, 2500], [2500, 3], [2, 300, 5], [40, 3, 2], [3, 0]] as [Shape] {
            let values = Tensor((0..<shape.elementCount).map { Int64($0 % 17) - 8 }, ofShape: shape)
            for axis in 0..<shape.rank {
                for isExclusive in [false, true] {
                    let attributes: Attributes = ["exclusive": .bool(isExclusive), "reverse": .bool(isReverse)]
                    try CUDAComparison()("\(shape), axis \(axis)", [values]) { b, x in
                        ["Cumsum", "Cumprod"].map { b.add($0, [x[0], b.int32(axis, "axis")], attributes: attributes)[0] }
                    }
                }
            }
        }
    }

    @Test("places of extremes: ties, NaN, infinities, long rows")
    func places() throws {
        for shape in [[1], [5], [300], [70_000], [4, 1000], [1000, 4], [3, 50, 7]] as [Shape] {
            var values = (0..<shape.elementCount).map { Float(($0 * 7919) % 613) }
            for index in stride(from: 0, to: values.count, by: 11) { values[index] = index % 2 == 0 ? .nan : -.infinity }
            for axis in 0..<shape.rank {
                try CUDAComparison()("\(shape), axis \(axis)", [Tensor(values, ofShape: shape)]) { _, x in
                    [x[0].argMax(axis: axis), x[0].argMin(axis: axis), x[0].cast(to: .bool).argMax(axis: axis, outputType: .int32)]
                }
            }
        }
        try CUDAComparison()("all are the lowest", [Tensor([Float](repeating: -.infinity, count: 700)), Tensor([Float](repeating: .nan, count: 9))]) {
            _, x in [x[0].argMax(axis: 0), x[1].argMax(axis: 0), x[1].argMin(axis: 0)]
        }
    }

    @Test("fused ops: one kernel of rows, columns, single elements and tails")
    func fusion() throws {
        for (shape, others) in [
            ([5, 8], [[8], [5, 1], []]), ([5, 7], [[7], [5, 1], []]), ([3, 4, 8], [[4, 1], [8], [3, 1, 1]]), ([1001], [[1], [], [1001]]),
            ([0, 4], [[4], [0, 1], []]),
            ([2, 4], [[2, 1], [4], [1, 1]]),
        ] as [(Shape, [Shape])] {
            func numbers(_ shape: Shape) -> Tensor { Tensor((0..<shape.elementCount).map { Float($0 % 50) * 0.25 - 3 }, ofShape: shape) }
            try CUDAComparison(tolerance: 4e-6, isOptimized: true)("\(shape)", ([shape] + others).map(numbers)) { b, x in
                let one = (x[0] * x[1] + x[2]).tanh()
                let two = (one - x[3]).maximum(x[0]) * x[1]
                return [two, b.add("AddN", [one, two, x[0]])[0]]
            }
        }
    }
}
