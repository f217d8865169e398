import OpCaseRunner
import Testing
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor

/// Updates of variables on a card that are too large for the table: the same graph on the CPU gives the same bits, because a card
/// applies several updates of one row in their order, too.
@Suite("Variables on an emulated CUDA card", .timeLimit(.minutes(2)))
struct CUDAStateTests {
    /// Runs a graph on the CPU and on a card: the initializers first, then the updates, then the reads.
    private func expectSame(
        _ title: String, feeds: [Tensor],
        _ build: (GraphBuilder, [Output]) -> (initializers: [WeirGraph.Operation], updates: [WeirGraph.Operation], reads: [Output])
    ) throws {
        func run(_ device: String, _ options: RuntimeOptions) throws -> [Tensor] {
            let b = GraphBuilder(registry: .standard)
            let inputs = feeds.enumerated().map { b.placeholder($1.dtype, shape: .unknown, name: "in\($0)") }
            let parts = b.device(device) { build(b, inputs) }
            let session = try DirectSession(b.graph(), registry: .standard, options: options)
            let values = feeds.enumerated().map { ("in\($0):0", $1) }
            _ = try session.run(feeds: values, targets: parts.initializers.map(\.name))
            for update in parts.updates { _ = try session.run(feeds: values, targets: [update.name]) }
            return try session.run(feeds: values, fetches: parts.reads.map(\.name))
        }
        let expected = try run("/cpu:0", RuntimeOptions())
        let found = try run("/gpu:0", EmulatedCUDA.options)
        for (a, b) in zip(found, expected) {
            #expect(a.shape == b.shape && a.dtype == b.dtype && a.bytes.elementsEqual(b.bytes), "\(title)")
        }
    }

    /// Numbers between -1 and 1.
    private func numbers(_ count: Int, _ seed: UInt64) -> [Float] {
        var state = seed &* 0x9e37_79b9_7f4a_7c15 | 1
        return (0..<count).map { _ in
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Float(Int64(bitPattern: state) >> 40) / Float(1 << 23)
        }
    }
    /// Row numbers of which the first is in half of all updates, the second in a tenth.
    private func rows(_ count: Int, of size: Int) -> [Int32] {
        (0..<count).map { $0 % 2 == 0 ? 0 : $0 % 20 == 1 ? 1 : Int32(($0 &* 7919) % size) }
    }

    /// A variable of a value.
    private func variable(_ b: GraphBuilder, _ value: Output, _ dtype: DType, _ shape: [Int], _ name: String) -> (Output, WeirGraph.Operation) {
        let handle = b.variableHandle(dtype, PartialShape(Shape(shape)), name: name)
        return (handle, b.add("AssignVariableOp", [handle, value], attributes: ["dtype": .type(dtype)]))
    }
    private func read(_ b: GraphBuilder, _ handle: Output, _ dtype: DType) -> Output {
        b.add("ReadVariableOp", [handle], attributes: ["dtype": .type(dtype)])[0]
    }

    @Test("scatters with many updates of one row", arguments: ["Add", "Sub", "Update", "Min", "Max", "Mul"], [3, 64])
    func scatter(_ kind: String, _ width: Int) throws {
        let (size, count) = (90, 5000)
        let feeds = [
            Tensor(numbers(size * width, 1), ofShape: [size, width]), Tensor(rows(count, of: size)),
            Tensor(numbers(count * width, 2), ofShape: [count, width]),
        ]
        try expectSame("\(kind) \(width)", feeds: feeds) { b, x in
            let (handle, initializer) = variable(b, x[0], .float32, [size, width], "v")
            let update = b.add("ResourceScatter\(kind)", [handle, x[1], x[2]], attributes: ["dtype": .type(.float32)])
            return ([initializer], [update], [read(b, handle, .float32)])
        }
    }

    @Test("a scatter to single elements of a large variable, by index vectors and by one number", arguments: [300, 70_000])
    func scatterElements(_ count: Int) throws {
        let size = [300, 400]
        let indices = rows(count, of: 300).enumerated().flatMap { [$1, Int32($0 % 2 == 0 ? 7 : $0 &* 31 % 400)] }
        let feeds = [
            Tensor(numbers(120_000, 3), ofShape: Shape(size)), Tensor(indices, ofShape: [count, 2]), Tensor(numbers(count, 4), ofShape: [count]),
            Tensor(Float(0.5)),
        ]
        try expectSame("\(count) elements", feeds: feeds) { b, x in
            let (handle, initializer) = variable(b, x[0], .float32, size, "v")
            let byVector = b.add("ResourceScatterNdAdd", [handle, x[1], x[2]], attributes: ["T": .type(.float32)])
            let rowNumbers = b.constant(Tensor(rows(count, of: 300)))
            let byNumber = b.add("ResourceScatterSub", [handle, rowNumbers, x[3]], attributes: ["dtype": .type(.float32)])
            return ([initializer], [byVector, byNumber], [read(b, handle, .float32)])
        }
    }

    @Test("sparse updates apply duplicates one after the other", arguments: [DType.float32, .float16, .float64], [200, 3000])
    func sparseUpdates(_ dtype: DType, _ count: Int) throws {
        let (size, width) = (50, 5)
        func tensor(_ values: [Float], _ shape: Shape) -> Tensor {
            switch dtype {
            case .float16: Tensor(values.map { Float16($0) }, ofShape: shape)
            case .float64: Tensor(values.map { Double($0) }, ofShape: shape)
            default: Tensor(values, ofShape: shape)
            }
        }
        let feeds = [
            tensor(numbers(size * width, 5), [size, width]), tensor(numbers(size * width, 6).map { abs($0) + 0.1 }, [size, width]),
            tensor([0.01], []), tensor(numbers(count * width, 7), [count, width]), Tensor(rows(count, of: size).map { Int64($0) }),
            tensor([0.001], []),
        ]
        try expectSame("\(dtype) \(count)", feeds: feeds) { b, x in
            let (v, first) = variable(b, x[0], dtype, [size, width], "v")
            let (a, second) = variable(b, x[1], dtype, [size, width], "a")
            let (l, third) = variable(b, x[0], dtype, [size, width], "l")
            let adagrad = b.add("ResourceSparseApplyAdagrad", [v, a, x[2], x[3], x[4]], attributes: ["T": .type(dtype)])
            let ftrl = b.add(
                "ResourceSparseApplyFtrl", [v, a, l, x[3], x[4], x[2], x[5], x[5], b.constant(tensor([-0.5], []))], attributes: ["T": .type(dtype)])
            return ([first, second, third], [adagrad, ftrl], [v, a, l].map { read(b, $0, dtype) })
        }
    }

    @Test("dense updates of sizes that are no multiple of a vector", arguments: [1, 7, 1023, 100_001])
    func denseUpdates(_ count: Int) throws {
        let feeds = [Tensor(numbers(count, 8)), Tensor(numbers(count, 9)), Tensor(Float(0.1)), Tensor(Float(0.9))]
        try expectSame("\(count)", feeds: feeds) { b, x in
            let (v, first) = variable(b, x[0], .float32, [count], "v")
            let (m, second) = variable(b, x[1], .float32, [count], "m")
            let (s, third) = variable(b, x[1], .float32, [count], "s")
            let float: Attributes = ["T": .type(.float32)]
            let momentum = b.add("ResourceApplyMomentum", [v, m, x[2], x[1], x[3]], attributes: ["T": .type(.float32), "use_nesterov": true])
            let descent = b.add("ResourceApplyGradientDescent", [v, x[2], x[1]], attributes: float)
            let add = b.add("AssignAddVariableOp", [s, x[0]], attributes: ["dtype": .type(.float32)])
            return ([first, second, third], [momentum, descent, add], [v, m, s].map { read(b, $0, .float32) })
        }
    }

    @Test("rows of a variable: batches, index vectors, widths of 1 to 16 bytes and more", arguments: [1, 2, 3, 4, 8])
    func gathers(_ width: Int) throws {
        let inBatches = (0..<600).map { (i: Int) -> Int32 in Int32(i * 17 % 40) }
        let vectors = (0..<600).map { (i: Int) -> Int32 in Int32(i % 2 == 0 ? i % 6 : i % 40) }
        let feeds = [
            Tensor(numbers(6 * 40 * width, 10), ofShape: [6, 40, width]), Tensor(inBatches, ofShape: [6, 100]), Tensor(vectors, ofShape: [300, 2]),
        ]
        try expectSame("\(width)", feeds: feeds) { b, x in
            let (v, initializer) = variable(b, x[0], .float32, [6, 40, width], "v")
            let batches = b.add("ResourceGather", [v, x[1]], attributes: ["dtype": .type(.float32), "batch_dims": 1])[0]
            let slices = b.add("ResourceGatherNd", [v, x[2]], attributes: ["dtype": .type(.float32)])[0]
            return ([initializer], [], [batches, slices])
        }
    }
}
