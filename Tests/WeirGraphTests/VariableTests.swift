import Testing
import WeirGraph
import WeirOps
import WeirTensor

@Suite("Constants and variables of a builder")
struct VariableTests {
    private let b = GraphBuilder(registry: .standard)

    private func value(_ output: Output) -> Tensor? { b.node(named: output.nodeName)?.attributes.tensor("value") }

    @Test("a constant is a tensor or a literal, of the wanted type or the type of its literals")
    func constants() throws {
        #expect(value(b.constant([[1, 2], [3, 4]])) == Tensor([1, 2, 3, 4] as [Int32], ofShape: [2, 2]))
        #expect(value(b.constant(0.5)) == Tensor(0.5 as Float))
        #expect(value(b.constant([1, 2, 3], .int64)) == Tensor([1, 2, 3] as [Int64]))
        #expect(value(b.constant("text")) == Tensor("text"))
        #expect(value(b.constant(Tensor([true]))) == Tensor([true]))
        let named = b.constant([1.5, 2], .float64, name: "halves")
        #expect(named.name == "halves:0" && named.shape == [2] && value(named) == Tensor([1.5, 2]))
        _ = try b.graph()
    }

    @Test("a constant that its type cannot hold, or of ragged rows, is an error with the place of the call", arguments: 0..<3)
    func wrongConstants(_ mistake: Int) {
        let output: Output
        switch mistake {
        case 0: output = b.constant(300, .uint8)
        case 1: output = b.constant([[1, 2], [3]], .uint8)
        default: output = b.constant(Tensor(Float(1)), .uint8)
        }
        #expect(output.dtype == .uint8)
        #expect(b.failure?.code == .invalidArgument)
        #expect(b.failure?.message.hasPrefix("Const: Expected") == true && b.failure?.message.contains("VariableTests.swift:") == true)
    }

    @Test("a variable has a literal as its initial value, in its own scope")
    func initialValues() throws {
        let weights = b.variable("weights", initial: [[1, 2], [3, 4]], .float32)
        let rate = b.nameScope("layer") { b.variable("rate", initial: 0.5) }
        #expect(weights.dtype == .float32 && weights.shape == [2, 2] && weights.value.shape == [2, 2])
        #expect(rate.dtype == .float32 && rate.shape == .scalar && rate.name == "layer/rate")
        #expect(try b.graph().node(named: "layer/rate/Const") != nil)
    }

    @Test("the builder knows its variables, in their order")
    func known() throws {
        #expect(b.variables.isEmpty)
        let first = b.variable("v", initial: 1.0)
        let second = b.nameScope("layer") { b.variable("v") { first.value } }
        #expect(b.variables.map(\.name) == ["v", "layer/v"] && b.variables[1].handle == second.handle)
        let graph = try b.graph()
        for variable in b.variables { #expect(graph.node(named: variable.initializer.name) != nil) }
    }

    @Test("all reads of a variable count for its gradient")
    func gradients() throws {
        let v = b.variable("v", initial: [1.0, 2])
        let unused = b.variable("unused", initial: 1.0)
        let loss = b.add("Sum", [b.add("Mul", [v.value, v.read()])[0], b.constant(0)])[0]
        let gradients = b.gradients(of: loss, with: [v])
        #expect(gradients.count == 1 && gradients[0].dtype == .float32)
        #expect(b.failure == nil)
        #expect(b.gradients(of: loss, with: [v, unused]).count == 2)
        #expect(b.failure?.code == .invalidArgument && b.failure?.message.contains("does not depend on variable 'unused'") == true)
    }
}
