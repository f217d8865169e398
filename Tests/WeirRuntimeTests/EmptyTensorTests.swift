import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Tensors without elements whose other dimensions are as large as possible: every op ends at once, with an empty result or an
/// error.
@Suite("Tensors without elements", .timeLimit(.minutes(2)))
struct EmptyTensorTests {
    struct Case: Sendable, CustomTestStringConvertible {
        let op: String
        let inputs: [(DType, Shape)]
        let attributes: Attributes
        /// Constant inputs, such as axes, after the fed ones.
        let numbers: [Tensor]
        init(_ op: String, _ inputs: [(DType, Shape)], _ numbers: [Tensor] = [], _ attributes: Attributes = [:]) {
            (self.op, self.inputs, self.attributes, self.numbers) = (op, inputs, attributes, numbers)
        }
        var testDescription: String { "\(op) of \(inputs.map { "\($0.1)" }.joined(separator: ", "))" }
    }
    private static let rows = Shape(1 << 60, 0), columns = Shape(0, 1 << 60), middle = Shape(1 << 30, 0, 1 << 30)
    private static let images = Shape(1 << 31 - 1, 1 << 20, 1, 0)
    private static let zero = Tensor(Int32(0)), one = Tensor(Int32(1)), axes = Tensor([Int32(0)]), both = Tensor([Int32(0), 1])
    private static let windows: Attributes = ["ksize": .ints([1, 1, 1, 1]), "strides": .ints([1, 1, 1, 1]), "padding": "VALID"]

    private static func unary(_ shape: Shape) -> [Case] {
        ["Neg", "Exp", "Softmax", "LogSoftmax", "Relu", "IsNan", "ZerosLike", "Shape", "Size", "Rank", "Identity", "L2Loss", "Diag"].map {
            Case($0, [(.float32, shape)])
        }
    }
    private static func binary(_ shape: Shape) -> [Case] {
        ["AddV2", "Mul", "Maximum", "Pow", "Greater", "SquaredDifference"].flatMap {
            [
                Case($0, [(.float32, shape), (.float32, shape)]), Case($0, [(.float32, shape), (.float32, [])]),
                Case($0, [(.float32, [1, 1]), (.float32, shape)]),
            ]
        }
    }
    private static func reductions(_ shape: Shape) -> [Case] {
        ["Sum", "Mean", "Max", "Prod"].flatMap { op in [axes, Tensor([Int32(1)]), both].map { Case(op, [(.float32, shape)], [$0]) } }
            + ["ArgMax", "Cumsum"].flatMap { op in [zero, one].map { Case(op, [(.float32, shape)], [$0]) } }
    }
    private static let all: [Case] =
        [rows, columns].flatMap { unary($0) + binary($0) + reductions($0) } + unary(middle)
        + [
            Case("MatMul", [(.float32, rows), (.float32, [0, 0])]), Case("MatMul", [(.float32, rows), (.float32, columns)]),
            Case("MatMul", [(.float32, rows), (.float32, [0, 1])]),
            Case("BatchMatMulV2", [(.float32, [1 << 58, 1, 0]), (.float32, [1 << 58, 0, 1])]),
            Case("BatchMatMulV2", [(.float32, middle), (.float32, [1 << 30, 1 << 30, 0])]),
            Case("ConcatV2", [(.float32, rows), (.float32, rows)], [zero]), Case("ConcatV2", [(.float32, rows), (.float32, rows)], [one]),
            Case("Pack", [(.float32, rows), (.float32, rows)]), Case("Tile", [(.float32, rows)], [Tensor([Int64(1) << 10, 2])]),
            Case("Tile", [(.float32, columns)], [Tensor([Int64(2), 2])]), Case("Transpose", [(.float32, rows)], [Tensor([Int32(1), 0])]),
            Case("Pad", [(.float32, rows)], [Tensor([Int64(0), 0, 0, 1], ofShape: [2, 2])]),
            Case("Pad", [(.float32, rows)], [Tensor([Int64(0), .max, 0, 0], ofShape: [2, 2])]),
            Case("GatherV2", [(.float32, rows)], [Tensor([Int32](), ofShape: [0]), one]), Case("GatherNd", [(.float32, [2]), (.int32, rows)]),
            Case("ExpandDims", [(.float32, rows)], [zero]), Case("Unpack", [(.float32, columns)], [], ["num": 0, "axis": 0]),
            Case("OneHot", [(.int32, rows)], [Tensor(Int32(5)), Tensor(Float(1)), Tensor(Float(0))]), Case("ReverseV2", [(.float32, rows)], [both]),
            Case("BiasAdd", [(.float32, rows), (.float32, [0])]), Case("BiasAddGrad", [(.float32, rows)]), Case("BiasAddGrad", [(.float32, columns)]),
            Case("SoftmaxCrossEntropyWithLogits", [(.float32, rows), (.float32, rows)]),
            Case("SparseSoftmaxCrossEntropyWithLogits", [(.float32, columns), (.int32, [0])]),
            Case("InTopK", [(.float32, [0, 1 << 40]), (.int32, [0])], [], ["k": 1]),
            Case("TopKV2", [(.float32, columns)], [one]), Case("Unique", [(.float32, [0])]), Case("Where", [(.bool, rows)]), Case("Where", [(.bool, middle)]),
            Case("MaxPool", [(.float32, images)], [], windows), Case("AvgPool", [(.float32, images)], [], windows),
            Case(
                "MaxPool", [(.float32, [1 << 31 - 1, 0, 1, 1 << 20])], [],
                ["ksize": .ints([1, 1, 1, 1]), "strides": .ints([1, 1, 1, 1]), "padding": "SAME", "data_format": "NHWC"]),
            Case("Conv2D", [(.float32, images), (.float32, [1, 1, 1, 0])], [], ["strides": .ints([1, 1, 1, 1]), "padding": "SAME"]),
            Case("Conv2D", [(.float32, [1 << 20, 1, 1, 1]), (.float32, [1, 1, 1, 0])], [], ["strides": .ints([1, 1, 1, 1]), "padding": "SAME"]),
            Case("LRN", [(.float32, images)]), Case("ReduceJoin", [(.string, rows)], [Tensor([Int32(1), 0])]), Case("ReduceJoin", [(.string, columns)], [both]),
            Case("Select", [(.bool, rows), (.float32, rows), (.float32, rows)]), Case("Cast", [(.float32, rows)], [], ["DstT": .type(.int32)]),
            Case("MatrixDiag", [(.float32, rows)]), Case("MatrixDiag", [(.float32, columns)]), Case("MatrixDiagPart", [(.float32, middle)]),
            Case("MatrixBandPart", [(.float32, middle)], [Tensor(Int64(0)), Tensor(Int64(0))]),
            Case("UnsortedSegmentSum", [(.float32, columns), (.int32, [0])], [Tensor(Int32(3))]), Case("RandomShuffle", [(.float32, rows)]),
            Case("TensorListFromTensor", [(.float32, rows)], [Tensor([Int32(0)])], ["element_dtype": .type(.float32)]), Case("AsString", [(.float32, rows)]),
            Case("Bincount", [(.int32, [0])], [Tensor(Int32(4)), Tensor([Float](), ofShape: [0])]),
            Case("CheckNumerics", [(.float32, rows)], [], ["message": ""]),
        ]

    @Test("no op loops over the dimensions of an empty tensor", arguments: all)
    func ends(_ each: Case) throws {
        let b = GraphBuilder(registry: .standard)
        var feeds: [(String, Tensor)] = []
        var inputs: [Output] = []
        for (number, (dtype, shape)) in each.inputs.enumerated() {
            let input = b.add("Placeholder", name: "x\(number)", attributes: ["dtype": .type(dtype), "shape": .shape(.unknown)])[0]
            feeds.append((input.name, try Tensor.zeros(dtype, shape)))
            inputs.append(input)
        }
        inputs += each.numbers.map { b.constant($0) }
        let operation = b.add(each.op, inputs, attributes: each.attributes)
        let graph: Graph
        // Wrong sizes may already be an error while building.
        do { graph = try b.graph() } catch { return }
        let session = try DirectSession(graph, registry: .standard)
        do {
            for result in try session.run(feeds: feeds, fetches: operation.outputs.map(\.name)) { #expect(result.byteCount < 1 << 20) }
        } catch {
            #expect([.invalidArgument, .resourceExhausted, .unimplemented].contains(Status(error).code), "\(error)")
        }
    }

    @Test("enqueuing more rows than fit in memory is an error", arguments: [Shape(1 << 60, 0), Shape(0, 1 << 30)])
    func rowsIntoQueue(_ shape: Shape) throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape(.unknown)])[0]
        let queue = b.add("FIFOQueueV2", attributes: ["component_types": .types([.float32]), "shared_name": "q"])[0]
        let enqueue = b.add("QueueEnqueueManyV2", [queue, x])
        let session = try DirectSession(b.graph(), registry: .standard)
        let run = { try session.run(feeds: [("x:0", Tensor.zeros(.float32, shape))], targets: [enqueue.name]) }
        if shape[0] == 0 { #expect(throws: Never.self) { _ = try run() } } else { #expect(throws: Status.self) { _ = try run() } }
    }

    @Test("a tensor list accepts a tensor of the maximum rank")
    func dimensions() throws {
        let b = GraphBuilder(registry: .standard)
        let dtype: Attributes = ["element_dtype": .type(.float32)]
        let any = b.constant(Tensor(Int32(-1)))
        let list = b.add("EmptyTensorList", [any, any], attributes: ["element_dtype": .type(.float32), "shape_type": .type(.int32)])[0]
        let tensor = b.constant(Tensor([Float(1)], ofShape: Shape([Int](repeating: 1, count: Shape.maximumRank))))
        let pushed = b.add("TensorListPushBackBatch", [list, tensor], attributes: dtype)[0]
        let length = b.add("TensorListLength", [pushed], name: "length")[0]
        #expect(try DirectSession(b.graph(), registry: .standard).run(fetches: [length.name])[0].scalar(of: Int32.self) == 1)
    }
}
