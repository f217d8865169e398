import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Inlined calls give the same results and effects as calls.
@Suite("Lowering")
struct LoweringTests {
    private static let float = OpSchema.ArgumentType.fixed(.float32)
    private static let floats: Attributes = ["T": .type(.float32)]

    private func node(_ name: String, _ op: String, _ inputs: [String], _ attributes: Attributes = floats, device: String = "") -> NodeDefinition {
        NodeDefinition(name: name, op: op, inputs: inputs, device: device, attributes: attributes)
    }
    private func constant(_ name: String, _ value: Tensor, _ controls: [String] = []) -> NodeDefinition {
        node(name, "Const", controls, ["dtype": .type(value.dtype), "value": .tensor(value)])
    }
    private func function(
        _ name: String, _ inputs: [(String, DType)], _ nodes: [NodeDefinition], returns: [(String, DType, String)], controls: [String: String] = [:],
        attributes: Attributes = [:], isStateful: Bool = false
    ) -> FunctionDefinition {
        FunctionDefinition(
            name: name, inputs: inputs.map { .init(name: $0.0, type: .fixed($0.1)) },
            outputs: returns.map { .init(name: $0.0, type: .fixed($0.1)) }, nodes: nodes,
            returns: Dictionary(uniqueKeysWithValues: returns.map { ($0.0, $0.2) }), controlReturns: controls, attributes: attributes,
            isStateful: isStateful)
    }
    /// The op names in a session's placed graph.
    private func ops(_ session: DirectSession) -> Set<String> { Set(session.placedGraph.nodes.map(\.op.name)) }

    @Test("an inlined call can still be fed and fetched by name")
    func call() throws {
        let b = GraphBuilder(registry: .standard)
        b.addFunction(
            function(
                "twice", [("x", .float32)], [node("sum", "AddV2", ["x", "x"]), node("inner", "Neg", ["sum:z:0"])],
                returns: [("plus", .float32, "sum:z:0"), ("minus", .float32, "inner:y:0")]))
        let x = b.placeholder(.float32, shape: [], name: "x")
        let call = b.add("twice", [x], name: "call")
        let end = b.add("Mul", [call[0], call[1]], name: "end")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(!ops(session).contains("twice"))
        let values = try session.run(feeds: [("x:0", Tensor(Float(3)))], fetches: ["call:0", "call:1", "end:0"])
        #expect(try values.map { try $0.scalar(of: Float.self) } == [6, -6, -36])
        #expect(try session.run(feeds: [("call:1", Tensor(Float(2))), ("x:0", Tensor(Float(3)))], fetches: [end.name])[0].scalar(of: Float.self) == 12)
    }

    @Test("all effects of an inlined call happen before its successors run")
    func effects() throws {
        let b = GraphBuilder(registry: .standard)
        let dtype: Attributes = ["dtype": .type(.float32)]
        b.addFunction(
            function(
                "count", [("x", .float32), ("v", .resource)],
                [constant("one", Tensor(Float(1))), node("add", "AssignAddVariableOp", ["v", "one:output:0"], dtype), node("same", "Neg", ["x"])],
                returns: [("y", .float32, "same:y:0")], isStateful: true))
        let v = b.add("VarHandleOp", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([]), "shared_name": "v"])[0]
        let initialize = b.add("AssignVariableOp", [v, b.constant(Tensor(Float(0)))], name: "init")
        let first = b.add("count", [b.constant(Tensor(Float(1))), v], name: "first")
        let second = b.controlDependencies([first]) { b.add("count", [b.constant(Tensor(Float(2))), v], name: "second") }
        let read = b.controlDependencies([second]) { b.add("ReadVariableOp", [v], name: "read", attributes: dtype)[0] }
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        for round in 1...10 {
            #expect(try session.run(fetches: [read.name])[0].scalar(of: Float.self) == Float(2 * round))
        }
        _ = try session.run(fetches: ["first:0"])
        #expect(try session.run(fetches: ["read:0"])[0].scalar(of: Float.self) == 23)
    }

    @Test("If, Case and While give the same results as primitive ops and as kernels", arguments: [true, false])
    func controlFlow(_ isLowered: Bool) throws {
        let b = GraphBuilder(registry: .standard)
        let lower: Attributes = ["_lower_using_switch_merge": .bool(isLowered)]
        for (name, factor) in [("a", 2), ("b", 3), ("c", 5)] as [(String, Float)] {
            b.addFunction(
                function(
                    name, [("x", .float32)], [constant("k", Tensor(factor)), node("m", "Mul", ["x", "k:output:0"])], returns: [("y", .float32, "m:z:0")]))
        }
        b.addFunction(
            function(
                "small", [("i", .int32), ("x", .float32)],
                [constant("n", Tensor(Int32(4))), node("less", "Less", ["i", "n:output:0"], ["T": .type(.int32)])], returns: [("p", .bool, "less:z:0")]))
        b.addFunction(
            function(
                "body", [("i", .int32), ("x", .float32)],
                [
                    constant("one", Tensor(Int32(1))), node("next", "AddV2", ["i", "one:output:0"], ["T": .type(.int32)]), node("twice", "a", ["x"], [:]),
                ], returns: [("j", .int32, "next:z:0"), ("y", .float32, "twice:y:0")]))
        let p = b.placeholder(.bool, shape: [], name: "p"), k = b.placeholder(.int32, shape: [], name: "k")
        let x = b.constant(Tensor(Float(1)))
        func attributes(_ more: Attributes) -> Attributes {
            Attributes(more.values.merging(lower.values) { $1 }.merging(["Tin": .types([.float32]), "Tout": .types([.float32])]) { $1 })
        }
        let conditional = b.add(
            "If", [p, x], name: "if",
            attributes: attributes(["then_branch": .function(FunctionReference("a")), "else_branch": .function(FunctionReference("b"))]))
        let selection = b.add(
            "Case", [k, x], name: "case", attributes: attributes(["branches": .functions(["a", "b", "c"].map { FunctionReference($0) })]))
        var loopAttributes = lower
        loopAttributes["T"] = .types([.int32, .float32])
        loopAttributes["cond"] = .function(FunctionReference("small"))
        loopAttributes["body"] = .function(FunctionReference("body"))
        let loop = b.add("While", [b.constant(Tensor(Int32(0))), selection[0]], name: "loop", attributes: loopAttributes)
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(ops(session).isDisjoint(with: ["If", "Case", "While"]) == isLowered)
        for (flag, number) in [(true, 0), (false, 1), (true, 2), (false, 7), (true, -1)] as [(Bool, Int32)] {
            let values = try session.run(
                feeds: [("p:0", Tensor(flag)), ("k:0", Tensor(number))], fetches: [conditional[0].name, selection[0].name, loop[1].name])
            let chosen: Float = number == 0 ? 2 : number == 1 ? 3 : 5
            #expect(try values.map { try $0.scalar(of: Float.self) } == [flag ? 2 : 3, chosen, chosen * 16])
        }
    }

    @Test("calls of _noinline and too large functions stay")
    func calls() throws {
        let b = GraphBuilder(registry: .standard)
        b.addFunction(function("kept", [("x", .float32)], [node("n", "Neg", ["x"])], returns: [("y", .float32, "n:y:0")], attributes: ["_noinline": true]))
        // Each calls the next twice, so inlining the first would give a billion nodes.
        for number in 0..<30 {
            b.addFunction(
                function(
                    "f\(number)", [("x", .float32)],
                    [
                        node("a", number == 29 ? "Neg" : "f\(number + 1)", ["x"], number == 29 ? Self.floats : [:]),
                        node("b", number == 29 ? "Neg" : "f\(number + 1)", ["x"], number == 29 ? Self.floats : [:]),
                    ],
                    returns: [("y", .float32, "a:y:0")]))
        }
        let x = b.constant(Tensor(Float(1)))
        let kept = b.add("kept", [x], name: "k")[0]
        _ = b.add("f0", [x], name: "f")
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(ops(session).isSuperset(of: ["kept", "f0"]))
        #expect(session.placedGraph.nodes.count < 10)
        #expect(try session.run(fetches: [kept.name])[0].scalar(of: Float.self) == -1)
    }

    @Test("effects in branches and loops of an inlined body happen, and its results stay alive")
    func effectsInFlow() throws {
        let b = GraphBuilder(registry: .standard)
        let int: Attributes = ["T": .type(.int32)], dtype: Attributes = ["dtype": .type(.float32)]
        // Adds 1 to the variable if `p` is true, and 10 in each of three iterations of a loop.
        b.addFunction(
            function(
                "count", [("p", .bool), ("x", .int32), ("v", .resource)],
                [
                    node("branch", "Switch", ["v", "p"], ["T": .type(.resource)]), node("pivot", "Switch", ["p", "p"], ["T": .type(.bool)]),
                    node("yes", "Identity", ["pivot:output_true:0"], ["T": .type(.bool)]), constant("one", Tensor(Float(1)), ["^yes"]),
                    node("add", "AssignAddVariableOp", ["branch:output_true:0", "one:output:0"], dtype),
                    node("enter", "Enter", ["x"], ["T": .type(.int32), "frame_name": "loop"]),
                    node("handle", "Enter", ["v"], ["T": .type(.resource), "frame_name": "loop", "is_constant": true]),
                    node("merge", "Merge", ["enter:output:0", "next:output:0"], ["T": .type(.int32), "N": 2]),
                    constant("three", Tensor(Int32(3)), ["^merge"]), node("less", "Less", ["merge:output:0", "three:output:0"], int),
                    node("cond", "LoopCond", ["less:z:0"], [:]), node("switch", "Switch", ["merge:output:0", "cond:output:0"], int),
                    node("inside", "Identity", ["switch:output_true:0"], int), constant("step", Tensor(Int32(1)), ["^inside"]),
                    constant("ten", Tensor(Float(10)), ["^inside"]), node("addTen", "AssignAddVariableOp", ["handle:output:0", "ten:output:0"], dtype),
                    node("sum", "AddV2", ["inside:output:0", "step:output:0"], int), node("next", "NextIteration", ["sum:z:0"], int),
                    node("exit", "Exit", ["switch:output_false:0"], int), node("same", "Neg", ["x"], int),
                ], returns: [("y", .int32, "same:y:0")], isStateful: true))
        let v = b.add("VarHandleOp", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([]), "shared_name": "v"])[0]
        let initialize = b.add("AssignVariableOp", [v, b.constant(Tensor(Float(0)))], name: "init")
        let p = b.placeholder(.bool, shape: [], name: "p")
        let call = b.add("count", [p, b.constant(Tensor(Int32(0))), v], name: "call")
        let after = b.controlDependencies([call]) { b.add("ReadVariableOp", [v], name: "after", attributes: dtype)[0] }
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        var expected: Float = 0
        for flag in [true, false, true] {
            expected += flag ? 31 : 30
            let values = try session.run(feeds: [("p:0", Tensor(flag))], fetches: ["call:0", after.name])
            #expect(try values[0].scalar(of: Int32.self) == 0)
            #expect(try values[1].scalar(of: Float.self) == expected)
        }
    }

    @Test("inlined calls of a function with a loop have separate loops")
    func loops() throws {
        let b = GraphBuilder(registry: .standard)
        let int: Attributes = ["T": .type(.int32)]
        func enter(_ name: String, _ input: String) -> NodeDefinition {
            node(name, "Enter", [input], ["T": .type(.int32), "frame_name": "loop"])
        }
        // Adds 1 until the value is a multiple of 5.
        b.addFunction(
            function(
                "up", [("x", .int32)],
                [
                    enter("enter", "x"), node("merge", "Merge", ["enter:output:0", "next:output:0"], ["T": .type(.int32), "N": 2]),
                    constant("five", Tensor(Int32(5)), ["^merge"]), constant("zero", Tensor(Int32(0)), ["^merge"]),
                    node("rest", "FloorMod", ["merge:output:0", "five:output:0"], int), node("more", "NotEqual", ["rest:z:0", "zero:output:0"], int),
                    node("cond", "LoopCond", ["more:z:0"], [:]), node("switch", "Switch", ["merge:output:0", "cond:output:0"], int),
                    constant("one", Tensor(Int32(1)), ["^switch"]), node("add", "AddV2", ["switch:output_true:0", "one:output:0"], int),
                    node("next", "NextIteration", ["add:z:0"], int), node("exit", "Exit", ["switch:output_false:0"], int),
                ], returns: [("y", .int32, "exit:output:0")]))
        let x = b.placeholder(.int32, shape: [], name: "x")
        let first = b.add("up", [x], name: "first")[0]
        let second = b.add("up", [b.add("AddV2", [first, b.constant(Tensor(Int32(1)))])[0]], name: "second")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(try session.run(feeds: [("x:0", Tensor(Int32(2)))], fetches: [first.name, second.name]).map { try $0.scalar(of: Int32.self) } == [5, 10])
    }

    @Test("a _noinline function that names tasks is inlined anyway")
    func tasks() throws {
        let b = GraphBuilder(registry: .standard)
        b.addFunction(
            function(
                "there", [("x", .float32)], [node("n", "Neg", ["x"], device: "/job:localhost/task:0/cpu:0")], returns: [("y", .float32, "n:y:0")],
                attributes: ["_noinline": true]))
        let end = b.add("there", [b.constant(Tensor(Float(1)))], name: "call")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(!ops(session).contains("there"))
        #expect(try session.run(fetches: [end.name])[0].scalar(of: Float.self) == -1)
    }

    @Test("SymbolicGradient builds the gradient of its function")
    func gradient() throws {
        let b = GraphBuilder(registry: .standard)
        b.addFunction(function("inner", [("x", .float32)], [node("s", "Square", ["x"])], returns: [("y", .float32, "s:y:0")]))
        b.addFunction(
            function("square", [("x", .float32)], [node("call", "inner", ["x"], [:])], returns: [("y", .float32, "call:y:0")], attributes: ["_noinline": true]))
        let x = b.placeholder(.float32, shape: [], name: "x")
        let types: AttributeValue = .types([.float32, .float32])
        let gradient = b.add(
            "SymbolicGradient", [x, b.constant(Tensor(Float(1)))],
            attributes: ["f": .function(FunctionReference("square")), "Tin": types, "Tout": .types([.float32])])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(try session.run(feeds: [("x:0", Tensor(Float(3)))], fetches: [gradient.name])[0].scalar(of: Float.self) == 6)
    }
}
