import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("Arithmetic simplification")
struct ArithmeticSimplificationTests {
    @Test("arithmetic that changes no bit is removed, other arithmetic stays")
    func simplification() throws {
        let b = GraphBuilder(registry: .standard)
        func placeholder(_ name: String, _ type: DType = .float32) -> Output {
            b.add("Placeholder", name: name, attributes: ["dtype": .type(type)])[0]
        }
        func integers(_ values: Int32...) -> Output { b.constant(Tensor(values)) }
        func transposed(_ x: Output, _ order: Int32...) -> Output { b.add("Transpose", [x, b.constant(Tensor(order))])[0] }
        let (x, n, p) = (placeholder("x"), placeholder("n", .int32), placeholder("p", .bool))
        let one = b.scalar(1, .float32), zero = b.scalar(0, .float32), minusZero = b.constant(Tensor(Float(-0.0)))
        let same: [(Output, of: Output)] = [
            (b.add("Mul", [one, x])[0], x), (b.add("RealDiv", [x, one])[0], x), (b.add("Sub", [x, zero])[0], x),
            (b.add("Neg", [b.add("Neg", [x])[0]])[0], x), (b.add("AddV2", [b.scalar(0, .int32), n])[0], n),
            (b.add("FloorDiv", [n, b.scalar(1, .int32)])[0], n), (b.add("LogicalAnd", [p, b.constant(Tensor(true))])[0], p),
            (b.add("LogicalNot", [b.add("LogicalNot", [p])[0]])[0], p), (b.add("Sum", [x, b.constant(Tensor([Int32](), ofShape: [0]))])[0], x),
            (b.add("Cast", [x], attributes: ["DstT": .type(.float32)])[0], x), (b.add("Tile", [x, integers(1, 1, 1)])[0], x),
            (b.add("Pad", [x, b.constant(Tensor([Int32](repeating: 0, count: 6), ofShape: [3, 2]))])[0], x),
            (transposed(transposed(x, 1, 2, 0), 2, 0, 1), x),
        ]
        let kept = [
            b.add("AddV2", [x, zero])[0], b.add("Sub", [x, minusZero])[0], b.add("Sub", [zero, x])[0], b.add("RealDiv", [one, x])[0],
            b.add("Mul", [x, b.constant(Tensor([1] as [Float], ofShape: [1, 1, 1, 1]))])[0], transposed(transposed(x, 1, 2, 0), 1, 2, 0),
            b.add("Reshape", [b.add("Reshape", [x, integers(-1)])[0], integers(2, -1)])[0],
        ]
        // These stay: a reshape that may fail, one whose removal might make another fail, and arithmetic on a reference variable,
        // because it reads the variable when it runs.
        let rows = [([-1, 3], [0, -1]), ([4], [2, -1]), ([-1, 4], [-1, 6])].map { (inner: [Int32], outer: [Int32]) in
            b.add("Reshape", [b.add("Reshape", [x, b.constant(Tensor(inner))])[0], b.constant(Tensor(outer))])[0]
        }
        let variable = b.add("VariableV2", attributes: ["dtype": .type(.float32), "shape": .shape([2])])[0]
        let read = b.add("Neg", [b.add("Neg", [variable])[0]])[0]
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: RuntimeOptions())
        let environment = PassEnvironment(registry: .standard, place: devices.client)
        let graph = try b.graph()
        let simplified = try GraphOptimizer(passes: [ArithmeticSimplification(), IdentityElimination()]).run(graph, environment)
        for (output, _) in same { #expect(!simplified.nodes.contains { $0.name == output.operation.name }, "\(output)") }
        for output in kept { #expect(simplified.nodes.contains { $0.name == output.operation.name }, "\(output)") }
        let reshape = try #require(simplified.nodes.first { $0.name == kept.last?.operation.name })
        #expect(simplified.nodes[reshape.inputs[0].node].name == "x")

        for (output, op) in rows.map({ ($0, "Reshape") }) + [(read, "Neg")] {
            let node = try #require(simplified.nodes.first { $0.name == output.operation.name })
            #expect(simplified.nodes[node.inputs[0].node].op.name == op)
        }

        let feeds = [
            ("x:0", Tensor([1, -0.0, .infinity, .nan, -3, 5] as [Float], ofShape: [1, 2, 3])), ("n:0", Tensor([7, -2] as [Int32])),
            ("p:0", Tensor([true, false])),
        ]
        for optimizer in [GraphOptimizer.none, .standard] {
            var options = RuntimeOptions()
            options.execution.optimizer = optimizer
            let session = try DirectSession(graph, registry: .standard, options: options)
            for (output, source) in same {
                let value = try session.run(feeds: feeds, fetches: [output.name])[0]
                #expect(value == feeds.first { $0.0 == source.name }?.1, "\(output)")
            }
        }
    }
}
