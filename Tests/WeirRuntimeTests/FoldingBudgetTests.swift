import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Time and memory that constant folding may take, for any graph.
@Suite("Budget of constant folding", .timeLimit(.minutes(1)))
struct FoldingBudgetTests {
    private func folded(_ b: GraphBuilder) throws -> Graph {
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0))
        return try ConstantFolding().run(b.graph(), PassEnvironment(registry: .standard, place: devices.client))
    }
    /// Makes a node that is not folded depend on these outputs, so that they are kept.
    private func use(_ outputs: [Output], in b: GraphBuilder) { _ = b.add("NoOp", controls: outputs.map(\.operation)) }
    private func constantBytes(_ graph: Graph) -> Int {
        graph.nodes.reduce(0) { $0 + ($1.attributes.tensor("value")?.byteCount ?? 0) }
    }

    @Test("huge intermediate results are not computed")
    func hugeResults() throws {
        let b = GraphBuilder(registry: .standard)
        let ones = b.add("Fill", [b.constant(Tensor([Int64(1) << 38])), b.scalar(1, .float32)])[0]
        let sum = b.add("Sum", [ones, b.constant(Tensor([Int32(0)]))])[0]
        use([sum, b.add("Fill", [b.constant(Tensor([Int64(1) << 38])), b.constant(Tensor("text"))])[0]], in: b)
        let graph = try folded(b)
        #expect(graph.nodes.contains { $0.op.name == "Fill" } && constantBytes(graph) < 1 << 10)
    }

    @Test("the total size of folded constants is bounded")
    func manyResults() throws {
        let b = GraphBuilder(registry: .standard)
        use((0..<300).map { b.add("Fill", [b.constant(Tensor([Int32(1) << 18])), b.scalar(Double($0), .float32)])[0] }, in: b)
        let graph = try folded(b)
        #expect(constantBytes(graph) <= 65 << 20)
        #expect(
            graph.nodes.contains { $0.op.name == "Fill" }
                && graph.nodes.contains { $0.op.name == "Const" && ($0.attributes.tensor("value")?.byteCount ?? 0) == 1 << 20 })
    }

    @Test("small results are folded, and do not keep their inputs' memory")
    func smallResults() throws {
        let b = GraphBuilder(registry: .standard)
        let big = b.constant(Tensor([Float](repeating: 1, count: 1 << 20), ofShape: [1 << 10, 1 << 10]))
        let sum = b.add("Sum", [big, b.constant(Tensor([Int32(0), 1]))], name: "sum")[0]
        let row = b.add("Slice", [big, b.constant(Tensor([Int32(3), 0])), b.constant(Tensor([Int32(1), 2]))], name: "row")[0]
        use([b.add("AddV2", [sum, row], name: "total")[0]], in: b)
        let graph = try folded(b)
        let total = try #require(graph.node(named: "total")?.attributes.tensor("value"))
        #expect(try total.array(of: Float.self) == [Float(1 << 20) + 1, Float(1 << 20) + 1])
        #expect(constantBytes(graph) < 1 << 10)
    }

    @Test(
        "an impossible shape with a zero is an error in the step, not in constant folding",
        arguments: [
            [-1, 0, 1 << 32, 1 << 32], [0, 1 << 40, 1 << 40], [1 << 40, 1 << 40, 0],
        ] as [[Int64]])
    func impossibleReshape(_ sizes: [Int64]) throws {
        let b = GraphBuilder(registry: .standard)
        let reshaped = b.add("Reshape", [b.constant(Tensor([Float](), ofShape: [0])), b.constant(Tensor(sizes))])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(throws: Status.self) { try session.run(fetches: [reshaped.name]) }
    }
}
