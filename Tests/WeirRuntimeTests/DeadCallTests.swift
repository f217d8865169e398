import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// A whole call is dead when any of its arguments or control inputs is dead.
@Suite("Calls with dead inputs")
struct DeadCallTests {
    private static let floats: Attributes = ["T": .type(.float32)]
    private static let dtype: Attributes = ["dtype": .type(.float32)]

    /// A function `count(x, y, v) = x + 1` that also adds one to the variable `v`.
    private func count(_ b: GraphBuilder) -> (initialize: Operation, handle: Output) {
        b.addFunction(
            FunctionDefinition(
                name: "count",
                inputs: [
                    .init(name: "x", type: .fixed(.float32)), .init(name: "y", type: .fixed(.float32)), .init(name: "v", type: .fixed(.resource)),
                ],
                outputs: [.init(name: "z", type: .fixed(.float32))],
                nodes: [
                    NodeDefinition(name: "one", op: "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(1)))]),
                    NodeDefinition(name: "add", op: "AssignAddVariableOp", inputs: ["v", "one:output:0"], attributes: DeadCallTests.dtype),
                    NodeDefinition(name: "sum", op: "AddV2", inputs: ["x", "one:output:0"], attributes: DeadCallTests.floats),
                ], returns: ["z": "sum:z:0"], isStateful: true))
        let v = b.add("VarHandleOp", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([]), "shared_name": "v"])[0]
        return (b.add("AssignVariableOp", [v, b.constant(Tensor(Float(0)))], name: "init"), v)
    }

    @Test("a call with one dead argument has dead results and no effects", arguments: [false, true])
    func argument(_ waits: Bool) throws {
        let b = GraphBuilder(registry: .standard)
        let (initialize, v) = count(b)
        let p = b.placeholder(.bool, shape: [], name: "p")
        let alive = b.placeholder(.float32, shape: [], name: "alive")
        let branch = b.add("Switch", [alive, p], name: "branch")
        let call = b.controlDependencies(waits ? [b.add("Identity", [alive], name: "before")] : []) {
            b.add("count", [alive, branch[1], v], name: "call")
        }
        _ = b.add("Merge", [call[0], branch[0]], name: "merge")
        _ = b.add("ReadVariableOp", [v], name: "read", attributes: DeadCallTests.dtype)
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        var calls: Float = 0
        for isTaken in [false, true, false] {
            calls += isTaken ? 1 : 0
            let values = try session.run(feeds: [("p:0", Tensor(isTaken)), ("alive:0", Tensor(Float(4)))], fetches: ["merge:0", "merge:1"])
            #expect(try values[0].scalar(of: Float.self) == (isTaken ? 5 : 4))
            #expect(try values[1].scalar(of: Int32.self) == (isTaken ? 0 : 1))
            #expect(try session.run(fetches: ["read:0"])[0].scalar(of: Float.self) == calls)
        }
    }

    @Test("a conditional with one dead argument runs neither branch")
    func conditional() throws {
        let b = GraphBuilder(registry: .standard)
        for (name, op) in [("negative", "Neg"), ("square", "Square")] {
            b.addFunction(
                FunctionDefinition(
                    name: name, inputs: [.init(name: "x", type: .fixed(.float32)), .init(name: "y", type: .fixed(.float32))],
                    outputs: [.init(name: "z", type: .fixed(.float32))],
                    nodes: [NodeDefinition(name: "z", op: op, inputs: ["x"], attributes: DeadCallTests.floats)], returns: ["z": "z:y:0"]))
        }
        let p = b.placeholder(.bool, shape: [], name: "p")
        let x = b.placeholder(.float32, shape: [], name: "x")
        let branch = b.add("Switch", [x, p], name: "branch")
        let result = b.add(
            "If", [p, x, branch[1]], name: "if",
            attributes: [
                "Tcond": .type(.bool), "Tin": .types([.float32, .float32]), "Tout": .types([.float32]),
                "then_branch": .function(FunctionReference("square")), "else_branch": .function(FunctionReference("negative")),
                "_lower_using_switch_merge": true,
            ])
        _ = b.add("Merge", [result[0], branch[0]], name: "merge")
        let session = try DirectSession(b.graph(), registry: .standard)
        for (taken, expected, index) in [(true, Float(9), Int32(0)), (false, 3, 1)] {
            let values = try session.run(feeds: [("p:0", Tensor(taken)), ("x:0", Tensor(Float(3)))], fetches: ["merge:0", "merge:1"])
            #expect(try values[0].scalar(of: Float.self) == expected)
            #expect(try values[1].scalar(of: Int32.self) == index)
        }
    }

    @Test("feeding one result of a call does not change the others")
    func fed() throws {
        let b = GraphBuilder(registry: .standard)
        b.addFunction(
            FunctionDefinition(
                name: "both", inputs: [.init(name: "x", type: .fixed(.float32))],
                outputs: [.init(name: "t", type: .fixed(.float32)), .init(name: "u", type: .fixed(.float32)), .init(name: "same", type: .fixed(.float32))],
                nodes: [
                    NodeDefinition(name: "t", op: "Square", inputs: ["x"], attributes: DeadCallTests.floats),
                    NodeDefinition(name: "u", op: "Neg", inputs: ["t:y:0"], attributes: DeadCallTests.floats),
                ], returns: ["t": "t:y:0", "u": "u:y:0", "same": "x"]))
        let x = b.placeholder(.float32, shape: [], name: "x")
        let call = b.add("both", [x], name: "call")
        let other = b.add("AddV2", [x, x], name: "other")
        let user = b.add("AddV2", [call[0], call[2]], name: "user")
        let session = try DirectSession(b.graph(), registry: .standard)
        let values = try session.run(
            feeds: [("x:0", Tensor(Float(3))), ("call:0", Tensor(Float(100))), ("call:2", Tensor(Float(1000)))],
            fetches: ["call:1", other[0].name, user[0].name])
        #expect(try values.map { try $0.scalar(of: Float.self) } == [-9, 6, 1100])
    }

    @Test("too deeply nested loops are rejected")
    func nested() throws {
        func graph(_ depth: Int) throws -> Graph {
            let b = GraphBuilder(registry: .standard)
            var value = b.scalar(1, .float32)
            for level in 0..<depth {
                value = b.add("Enter", [value], name: "enter\(level)", attributes: ["frame_name": .string("frame\(level)"), "is_constant": true])[0]
            }
            _ = b.add("Identity", [value], name: "last")
            return try b.graph()
        }
        let session = try DirectSession(graph(100_000), registry: .standard)
        let failure = #expect(throws: Status.self) { try session.run(targets: ["last"]) }
        #expect(failure?.code == .invalidArgument && failure?.message.contains("nested") == true)
        let shallow = try DirectSession(graph(FrameAssignment.maximumDepth), registry: .standard)
        _ = try shallow.run(targets: ["last"])
    }

    @Test("an Exit outside a loop and a loop without a frame name are rejected", arguments: ["Exit", "Enter"])
    func unnamed(_ op: String) throws {
        let b = GraphBuilder(registry: .standard)
        let inside = b.add("Enter", [b.scalar(1, .float32)], name: "enter", attributes: ["frame_name": .string(op == "Enter" ? "" : "loop")])[0]
        let left = b.add("Exit", [inside], name: "exit")[0]
        _ = b.add("Exit", [left], name: "again")
        let session = try DirectSession(b.graph(), registry: .standard)
        let failure = #expect(throws: Status.self) { try session.run(fetches: ["again:0"]) }
        #expect(failure?.code == .invalidArgument && failure?.message.contains(op) == true)
    }
}
