import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("Partitioning")
struct PartitionTests {
    private static let gpus = ["/gpu:0", "/gpu:1"]

    private func session(_ b: GraphBuilder) throws -> DirectSession {
        var options = RuntimeOptions()
        options.simulatedGPUCount = 2
        options.allowsSoftPlacement = true
        return try DirectSession(b.graph(), registry: .standard, options: options)
    }

    @Test("a tensor may go to a different device in each step")
    func otherDevices() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [], name: "x")
        let source = b.device("/cpu:0") { b.add("Neg", [x])[0] }
        let ends = Self.gpus.map { gpu in b.device(gpu) { b.add("Square", [source])[0] } }
        let session = try session(b)
        for choice in [[0], [1], [0], [0, 1], [1]] {
            let values = try session.run(feeds: [("x:0", Tensor(Float(3)))], fetches: choice.map { ends[$0].name })
            #expect(try values.map { try $0.scalar(of: Float.self) } == choice.map { _ in 9 })
        }
    }

    @Test("a loop's condition and body may be on different devices", arguments: ["/cpu:0", "/gpu:0", "/gpu:1"], ["/cpu:0", "/gpu:0", "/gpu:1"])
    func loops(_ outer: String, _ inner: String) throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let float: Attributes = ["T": .type(.float32)], int: Attributes = ["T": .type(.int32)]
        var result = x
        for number in 0..<2 {
            result = b.device(outer) {
                let frame: Attributes = ["frame_name": .string("loop\(number)")]
                let counter = b.add("Enter", [b.constant(Tensor(Int32(0)))], attributes: frame)[0], value = b.add("Enter", [result], attributes: frame)[0]
                let i = b.add("Merge", [counter, counter], attributes: ["T": .type(.int32), "N": 2])
                let v = b.add("Merge", [value, value], attributes: ["T": .type(.float32), "N": 2])
                let limit = b.controlDependencies([i]) { b.constant(Tensor(Int32(3))) }
                let goesOn = b.add("LoopCond", [b.add("Less", [i[0], limit])[0]])[0]
                let (si, sv) = (b.add("Switch", [i[0], goesOn], attributes: int), b.add("Switch", [v[0], goesOn], attributes: float))
                let (one, half, bias) = b.controlDependencies([b.add("Identity", [si[1]])]) {
                    (b.constant(Tensor(Int32(1))), b.constant(Tensor(Float(0.5))), b.constant(Tensor(Float(1))))
                }
                let next = b.device(inner) { b.add("AddV2", [b.add("Mul", [sv[1], half])[0], bias])[0] }
                b.replaceInput(1, of: i, with: b.add("NextIteration", [b.add("AddV2", [si[1], one])[0]])[0])
                b.replaceInput(1, of: v, with: b.add("NextIteration", [next])[0])
                return b.add("Exit", [sv[0]])[0]
            }
        }
        let session = try session(b)
        let end = try session.run(feeds: [("x:0", Tensor([1, 2] as [Float]))], fetches: [result.name])[0]
        #expect(try end.array(of: Float.self) == [1, 2].map { (0..<6).reduce($0) { value, _ in value * 0.5 + 1 } })
    }

    @Test("a node with only loop-invariant inputs runs in each iteration, also on another device")
    func invariants() throws {
        let b = GraphBuilder(registry: .standard)
        let int: Attributes = ["T": .type(.int32)]
        let x = b.placeholder(.int32, shape: [], name: "x")
        let result = b.device("/cpu:0") { () -> Output in
            let frame: Attributes = ["frame_name": "loop"]
            let enter = b.add("Enter", [b.constant(Tensor(Int32(0)))], attributes: frame)[0]
            let step = b.device("/gpu:0") { () -> Output in
                let invariant = b.add("Enter", [x], attributes: ["frame_name": "loop", "is_constant": true])[0]
                return b.add("AddV2", [invariant, invariant])[0]
            }
            let i = b.add("Merge", [enter, enter], attributes: ["T": .type(.int32), "N": 2])
            let limit = b.controlDependencies([i]) { b.constant(Tensor(Int32(9))) }
            let goesOn = b.add("LoopCond", [b.add("Less", [i[0], limit])[0]])[0]
            let branch = b.add("Switch", [i[0], goesOn], attributes: int)
            b.replaceInput(1, of: i, with: b.add("NextIteration", [b.add("AddV2", [branch[1], step])[0]])[0])
            return b.add("Exit", [branch[0]])[0]
        }
        let session = try session(b)
        #expect(try session.run(feeds: [("x:0", Tensor(Int32(1)))], fetches: [result.name])[0].scalar(of: Int32.self) == 10)
    }

    @Test("many control edges from one device to a node become one message")
    func controlEdges() throws {
        let b = GraphBuilder(registry: .standard)
        let many = b.device("/cpu:0") { (0..<100).map { _ in b.noOp() } }
        let end = b.device("/gpu:0") { b.controlDependencies(many) { b.noOp(name: "end") } }
        let other = b.device("/gpu:1") { b.controlDependencies([many[3]]) { b.noOp(name: "other") } }
        let session = try session(b)
        let placed = session.placedGraph
        let parts = try Partitioner(registry: .standard, suffix: "G", by: { $0.description }, incarnation: { _ in 1 }).partition(placed)
        #expect(parts.reduce(0) { $0 + $1.graph.nodes.count(where: \.isSend) } == 2)
        _ = try session.run(targets: [end.name, other.name])
    }

    @Test("existing nodes may have the names that the partitioner would choose")
    func names() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.device("/cpu:0") { b.constant(Tensor(Float(2)), name: "x") }
        let user = b.device("/gpu:0") { b.add("Neg", [x], name: "user")[0] }
        let parts = { (graph: Graph) in
            try Partitioner(registry: .standard, suffix: "G", by: { $0.description }, incarnation: { _ in 1 }).partition(graph)
        }
        let made = try parts(session(b).placedGraph).flatMap { $0.graph.nodes.map(\.name) }.filter { $0 != "x" && $0 != "user" }
        #expect(made.count == 2)
        let taken = b.device("/gpu:0") { made.map { b.add("Square", [x], name: $0)[0] } }
        let results = try session(b).run(fetches: ([user] + taken).map(\.name))
        #expect(try results.map { try $0.scalar(of: Float.self) } == [-2, 4, 4])
        #expect(try parts(session(b).placedGraph).count == 2)
    }

    @Test("a variable read on another device is sent after the reader's control inputs")
    func lateReads() throws {
        let b = GraphBuilder(registry: .standard)
        let one = b.constant(Tensor(Float(1)))
        let v = b.device("/cpu:0") { b.refVariable(.float32, [], name: "v") }
        let initialize = b.add("Assign", [v, b.constant(Tensor(Float(0)))], name: "init")
        let update = b.device("/cpu:0") { b.add("AssignAdd", [v, one], name: "update") }
        let elsewhere = b.device("/gpu:1") { b.controlDependencies([update]) { b.add("Neg", [one], name: "elsewhere") } }
        let read = b.device("/gpu:0") { b.controlDependencies([elsewhere]) { b.add("Identity", [v], name: "read")[0] } }
        let session = try session(b)
        _ = try session.run(targets: [initialize.name])
        for round in 1...20 { #expect(try session.run(fetches: [read.name])[0].scalar(of: Float.self) == Float(round)) }
    }
}
