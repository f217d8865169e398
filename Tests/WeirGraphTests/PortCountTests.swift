import Testing
import WeirGraph
import WeirOps
import WeirTensor

/// Numbers in attributes that say how many inputs and outputs a node has.
@Suite("Counting ports", .timeLimit(.minutes(1)))
struct PortCountTests {
    private func status(_ nodes: [NodeDefinition]) -> Status? {
        do { _ = try Graph(GraphDefinition(nodes: nodes), registry: .standard) } catch { return error }
        return nil
    }

    @Test("a number of inputs that no node has is named", arguments: [1 << 62, 1 << 16 + 1, Int.max])
    func inputs(_ count: Int) {
        let status = status([NodeDefinition(name: "sum", op: "AddN", attributes: ["N": .int(count), "T": .type(.float32)])])
        #expect(status?.code == .invalidArgument && status?.message.contains("\(count)") == true && status?.message.contains("'N'") == true)
    }

    @Test("many nodes of many outputs are refused before there is no memory left")
    func outputs() {
        let value = NodeDefinition(name: "x", op: "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(0)))])
        let nodes = (0..<10_000).map { number in
            NodeDefinition(name: "u\(number)", op: "Unpack", inputs: ["x"], attributes: ["num": .int(1 << 16), "T": .type(.float32)])
        }
        #expect(status([value] + nodes)?.code == .resourceExhausted)
    }

    @Test("ports are as many as they are counted")
    func counts() throws {
        let op = try OpRegistry.standard.require("IdentityN")
        let attributes: Attributes = ["T": .types([.float32, .int32, .string])]
        #expect(try op.schema.portCount(op.schema.inputs, attributes) == 3)
        #expect(try op.schema.ports(op.schema.outputs, attributes).map(\.dtype) == [.float32, .int32, .string])
        let pack = try OpRegistry.standard.require("ConcatV2")
        let five: Attributes = ["N": 5, "T": .type(.int8), "Tidx": .type(.int32)]
        #expect(try pack.schema.ranges(pack.schema.inputs, five) == [0..<5, 5..<6])
        #expect(try pack.schema.ports(pack.schema.inputs, five).map(\.dtype) == [.int8, .int8, .int8, .int8, .int8, .int32])
        #expect(throws: Status.self) { try pack.schema.portCount(pack.schema.inputs, ["N": -1]) }
    }

    @Test("a node may have any number of control inputs")
    func controls() throws {
        let first = (0..<50_000).map { NodeDefinition(name: "n\($0)", op: "NoOp") }
        let last = NodeDefinition(name: "last", op: "NoOp", inputs: first.map { "^\($0.name)" } + first.prefix(10).map { "^\($0.name)" })
        let graph = try Graph(GraphDefinition(nodes: first + [last]), registry: .standard)
        #expect(graph.node(named: "last")?.controlInputs.count == 50_000)
    }
}
