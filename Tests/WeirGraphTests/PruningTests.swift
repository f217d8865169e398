import Testing
import WeirGraph
import WeirOps
import WeirTensor

@Suite("Pruning of definitions")
struct PruningTests {
    private func kept(_ nodes: [NodeDefinition], for names: String...) -> [String] {
        GraphDefinition(nodes: nodes).pruned(to: names, registry: .standard).nodes.map(\.name)
    }

    @Test("what a node needs stays, by data and by control edges; ops that nobody needs may be unknown")
    func needed() {
        let nodes = [
            NodeDefinition(name: "a", op: "Const"), NodeDefinition(name: "b", op: "NoOp"),
            NodeDefinition(name: "c", op: "Identity", inputs: ["a:0", "^b"]), NodeDefinition(name: "d", op: "Mystery", inputs: ["c"]),
        ]
        #expect(kept(nodes, for: "c") == ["a", "b", "c"])
        #expect(kept(nodes, for: "d") == ["a", "b", "c", "d"])
        #expect(kept(nodes, for: "nowhere").isEmpty)
    }

    @Test("the assignments to a variable stay with it, and what they need", arguments: [("VariableV2", "Assign"), ("VarHandleOp", "AssignVariableOp")])
    func assignments(_ ops: (variable: String, assign: String)) {
        let nodes = [
            NodeDefinition(name: "zeros", op: "Const"), NodeDefinition(name: "v", op: ops.variable),
            NodeDefinition(name: "v/Assign", op: ops.assign, inputs: ["v", "zeros"]), NodeDefinition(name: "w", op: ops.variable),
            NodeDefinition(name: "w/Assign", op: ops.assign, inputs: ["w", "zeros"]), NodeDefinition(name: "use", op: "Identity", inputs: ["v"]),
        ]
        #expect(kept(nodes, for: "use") == ["zeros", "v", "v/Assign", "use"])
    }

    @Test("nodes in topological order come after their inputs, with the same names and edges")
    func order() throws {
        let definition = GraphDefinition(nodes: [
            NodeDefinition(name: "c", op: "Identity", inputs: ["b", "^a"], attributes: ["T": .type(.float32)]),
            NodeDefinition(name: "b", op: "Identity", inputs: ["a"], attributes: ["T": .type(.float32)]),
            NodeDefinition(name: "a", op: "Placeholder", attributes: ["dtype": .type(.float32)]),
        ])
        let sorted = try Graph(definition, registry: .standard).topologicallySorted()
        #expect(sorted.nodes.map(\.name) == ["a", "b", "c"])
        #expect(sorted.nodes[2].inputs == [Endpoint(1)] && sorted.nodes[2].controlInputs == [0])
    }
}
