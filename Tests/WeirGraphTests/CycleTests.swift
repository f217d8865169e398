import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Cycles in graphs from clients. Only a loop's back edge, from NextIteration to Merge, may close one.
@Suite("Cycles")
struct CycleTests {
    private func status(_ nodes: [NodeDefinition]) -> Status? {
        let start = NodeDefinition(name: "start", op: "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(0)))])
        do { _ = try Graph(GraphDefinition(nodes: [start] + nodes), registry: .standard) } catch { return error }
        return nil
    }
    private func node(_ name: String, _ op: String, _ inputs: [String]) -> NodeDefinition {
        var attributes: Attributes = ["T": .type(.float32)]
        if op == "Merge" { attributes["N"] = 2 }
        return NodeDefinition(name: name, op: op, inputs: inputs, attributes: attributes)
    }

    @Test("NextIteration may lead back to Merge")
    func loop() {
        #expect(status([node("merge", "Merge", ["start", "next"]), node("next", "NextIteration", ["merge"])]) == nil)
    }

    @Test("NextIteration may not lead back to any other node, which would wait for itself")
    func otherConsumer() {
        let found = status([node("sum", "AddV2", ["start", "next"]), node("next", "NextIteration", ["sum"])])
        #expect(found?.code == .invalidArgument && found?.message.contains("contains a cycle with 2 nodes") == true, "\(found as Any)")
    }

    @Test("a control edge from NextIteration does not lead back, because Merge waits for it")
    func controlEdge() {
        let found = status([node("merge", "Merge", ["start", "start", "^next"]), node("next", "NextIteration", ["merge"])])
        #expect(found?.code == .invalidArgument && found?.message.contains("contains a cycle") == true, "\(found as Any)")
    }

    @Test("a cycle without NextIteration is refused, also through Merge")
    func plain() {
        #expect(status([node("a", "Neg", ["b"]), node("b", "Neg", ["a"])])?.message.contains("contains a cycle with 2 nodes") == true)
        #expect(status([node("merge", "Merge", ["start", "b"]), node("b", "Neg", ["merge"])])?.code == .invalidArgument)
    }
}
