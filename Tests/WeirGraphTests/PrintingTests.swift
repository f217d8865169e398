import Testing
import WeirGraph
import WeirOps
import WeirTensor

@Suite("Printing of graphs")
struct PrintingTests {
    private func builder() -> (GraphBuilder, Output) {
        let b = GraphBuilder(registry: .standard)
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape([nil, 4])])[0]
        let ready = b.add("NoOp", name: "ready")
        let y = b.device("/job:ps/task:0") {
            b.add("MatMul", [x, b.constant(Tensor([1, 2, 3, 4] as [Float], ofShape: [4, 1]), name: "w")], name: "y", controls: [ready])
        }
        return (b, y[0])
    }

    @Test("an output prints its name, shape and dtype, an operation its name and op")
    func outputs() {
        let (_, y) = builder()
        #expect("\(y)" == "<Output 'y:0' shape=[?,1] dtype=float>")
        #expect("\(y.operation)" == "<Operation 'y' type=MatMul>")
    }

    @Test("a graph prints one line for each node")
    func graph() throws {
        let graph = try builder().0.graph()
        let lines = "\(graph)".split(separator: "\n").map(String.init)
        #expect(lines.first == "Graph of 4 nodes")
        #expect(lines.contains("  x = Placeholder[dtype=float, shape=[?,4]]()"))
        #expect(lines.contains("  ready = NoOp()"))
        #expect(lines.contains("  y = MatMul[T=float](x, w, ^ready) on /job:ps/task:0"))
        #expect(lines.contains("  w = Const[dtype=float, value=float[4,1] [[1.0], [2.0], [3.0], [4.0]]]() on /job:ps/task:0"))
        #expect("\(graph.definition)".hasPrefix("Graph of 4 nodes\n  "))
    }

    @Test("of a large graph the first 100 nodes are printed")
    func large() throws {
        let b = GraphBuilder(registry: .standard)
        for _ in 0..<150 { b.add("NoOp") }
        let text = "\(try b.graph())"
        #expect(text.split(separator: "\n").count == 102)
        #expect(text.hasSuffix("\n  ... 50 more"))
    }

    @Test("attributes print as in TensorFlow: strings in quotes, lists in brackets, long values shortened")
    func attributes() {
        let attributes: Attributes = ["b": true, "a": "text", "l": .ints([1, 2]), "f": .function(FunctionReference("g", attributes: ["T": .type(.int32)]))]
        #expect("\(attributes)" == #"[a="text", b=true, f=g[T=int32], l=[1, 2]]"#)
        #expect("\(AttributeValue.ints([Int](0..<1000)))".hasSuffix("19, ...]"))
        #expect("\(AttributeValue.string(ByteString([UInt8](repeating: 97, count: 1000))))".count < 100)
        #expect("\(AttributeValue.tensors([Tensor(Int32(1))]))" == "[int32[] 1]")
    }

    @Test("a graph whose edges a program has broken prints all the same")
    func broken() throws {
        var graph = try builder().0.graph()
        graph.nodes[graph.nodes.count - 1].inputs = [Endpoint(1000)]
        #expect("\(graph)".contains("(?"))
    }
}
