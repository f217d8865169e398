import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("Sessions in process")
struct DirectSessionTests {
    private func builder() -> GraphBuilder { GraphBuilder(registry: .standard) }
    private func placeholder(_ builder: GraphBuilder, _ name: String, _ dtype: DType = .float32, _ shape: PartialShape = .unknown) -> Output {
        builder.add("Placeholder", name: name, attributes: ["dtype": .type(dtype), "shape": .shape(shape)])[0]
    }

    @Test("a fetch computes what it needs from feeds and constants")
    func arithmetic() throws {
        let b = builder()
        let x = placeholder(b, "x")
        let y = b.add("AddV2", [b.add("Mul", [x, b.scalar(3, .float32)])[0], b.scalar(1, .float32)], name: "y")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        let result = try session.run(feeds: [("x:0", Tensor([1, 2] as [Float]))], fetches: [y.name])
        #expect(try result[0].array(of: Float.self) == [4, 7])
    }

    @Test("nodes that no fetch or target needs do not run")
    func pruning() throws {
        let b = builder()
        _ = placeholder(b, "never_fed")
        let one = b.scalar(1, .float32)
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(try session.run(fetches: [one.name])[0].scalar(of: Float.self) == 1)
    }

    @Test("a plan runs with one value for each of its feeds, not fewer or more", arguments: [0, 2])
    func numberOfValues(_ count: Int) throws {
        let b = builder()
        let x = placeholder(b, "x")
        let negated = b.add("Neg", [x])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        let plan = try session.plan(feeds: [x.name], fetches: [negated.name], targets: [])
        let error = #expect(throws: Status.self) { try session.run(plan, [Tensor](repeating: Tensor(Float(1)), count: count)) }
        #expect(error?.code == .invalidArgument && error?.message.contains("Expected 1 values") == true)
        #expect(try session.run(plan, [Tensor(Float(2))])[0].scalar(of: Float.self) == -2)
    }

    @Test("a graph whose edges come from nowhere is refused, and does not end the process", arguments: 0..<4)
    func brokenGraphs(_ mistake: Int) throws {
        let b = builder()
        let y = b.add("Neg", [placeholder(b, "x")], name: "y")
        let good = try b.graph()
        var graph = good
        switch mistake {
        case 0: graph.nodes[y.id].inputs = [Endpoint(99)]
        case 1: graph.nodes[y.id].inputs = [Endpoint(0, -1)]
        case 2: graph.nodes[y.id].inputs = []
        default: graph.nodes[y.id].controlInputs = [-1]
        }
        let error = #expect(throws: Status.self) { try DirectSession(graph, registry: .standard) }
        #expect(error?.code == .invalidArgument && error?.message.contains("'y'") == true)
        let session = try DirectSession(good, registry: .standard)
        #expect(throws: Status.self) { try session.extend(to: graph) }
        #expect(GraphBuilder(extending: graph, registry: .standard).failure?.code == .invalidArgument)
        #expect(throws: Status.self) { try Graph(graph.definition, registry: .standard) }
    }

    @Test("unknown names, duplicate feeds, wrong feed types and empty steps are errors")
    func mistakes() throws {
        let b = builder()
        let x = placeholder(b, "x")
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(throws: Status.self) { try session.run(fetches: ["nowhere:0"]) }
        #expect(throws: Status.self) { try session.run() }
        #expect(throws: Status.self) { try session.run(feeds: [(x.name, Tensor(Float(1))), (x.name, Tensor(Float(1)))], fetches: [x.name]) }
        #expect(throws: Status.self) { try session.run(feeds: [(x.name, Tensor(Int32(1)))], fetches: ["x:0"]) }
    }

    @Test("the error for an unfed placeholder names it")
    func unfedPlaceholder() throws {
        let b = builder()
        let y = b.add("Neg", [placeholder(b, "x")])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        do {
            _ = try session.run(fetches: [y.name])
            Issue.record("an unfed placeholder must fail")
        } catch let status as Status {
            #expect(status.code == .invalidArgument)
            #expect(status.message.contains("You must feed a value for placeholder tensor 'x'"))
        }
    }

    @Test("a variable keeps its value between steps; the error for an uninitialized one names it")
    func variables() throws {
        let b = builder()
        let v = b.add("VariableV2", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([2])])[0]
        let zero = b.constant(Tensor([0, 0] as [Float])), one = b.constant(Tensor([1, 1] as [Float]))
        let initialize = b.add("Assign", [v, zero], name: "init")
        let add = b.add("AssignAdd", [v, one], name: "add")
        let read = b.add("Identity", [v])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        do {
            _ = try session.run(fetches: [read.name])
            Issue.record("an uninitialized variable must fail")
        } catch let status as Status {
            #expect(status.code == .failedPrecondition && status.message.contains("uninitialized value v"))
        }
        _ = try session.run(targets: [initialize.name])
        for _ in 0..<3 { _ = try session.run(targets: [add.name]) }
        #expect(try session.run(fetches: [read.name])[0].array(of: Float.self) == [3, 3])
    }

    @Test("an update does not change a fetched value")
    func snapshots() throws {
        let b = builder()
        let v = b.add("VariableV2", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([1])])[0]
        let initialize = b.add("Assign", [v, b.constant(Tensor([1] as [Float]))], name: "init")
        let add = b.add("AssignAdd", [v, b.constant(Tensor([1] as [Float]))], name: "add")
        let read = b.add("Identity", [v])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        let before = try session.run(fetches: [read.name])[0]
        _ = try session.run(targets: [add.name])
        #expect(try before.array(of: Float.self) == [1])
    }

    @Test("only the branch that the predicate selects runs", arguments: [true, false])
    func branches(_ choice: Bool) throws {
        let b = builder()
        let predicate = placeholder(b, "p", .bool)
        let branches = b.add("Switch", [b.scalar(2, .float32), predicate]).outputs
        let no = b.add("Neg", [branches[0]])[0], yes = b.add("Square", [branches[1]])[0]
        let merged = b.add("Merge", [no, yes])
        let session = try DirectSession(b.graph(), registry: .standard)
        let result = try session.run(feeds: [("p:0", Tensor(choice))], fetches: [merged[0].name, merged[1].name])
        #expect(try result[0].scalar(of: Float.self) == (choice ? 4 : -2))
        #expect(try result[1].scalar(of: Int32.self) == (choice ? 1 : 0))
    }

    /// A loop with `i` from 0 to `limit` and `total` doubling from 1.
    private func doublingLoop(_ b: GraphBuilder, limit: Output, frame: String = "loop") -> Output {
        func enter(_ value: Output, constant: Bool = false) -> Output {
            b.add("Enter", [value], attributes: ["frame_name": .string(frame), "is_constant": .bool(constant)])[0]
        }
        let i = enter(b.scalar(0, .int32)), total = enter(b.scalar(1, .float32)), bound = enter(limit, constant: true)
        let two = enter(b.scalar(2, .float32), constant: true), one = enter(b.scalar(1, .int32), constant: true)
        let mergeI = b.add("Merge", [i, i]), mergeTotal = b.add("Merge", [total, total])
        let condition = b.add("LoopCond", [b.add("Less", [mergeI[0], bound])[0]])[0]
        let switchI = b.add("Switch", [mergeI[0], condition]), switchTotal = b.add("Switch", [mergeTotal[0], condition])
        let nextI = b.add("NextIteration", [b.add("AddV2", [switchI[1], one])[0]])[0]
        let nextTotal = b.add("NextIteration", [b.add("Mul", [switchTotal[1], two])[0]])[0]
        b.replaceInput(1, of: mergeI, with: nextI)
        b.replaceInput(1, of: mergeTotal, with: nextTotal)
        return b.add("Exit", [switchTotal[0]])[0]
    }

    @Test("a loop runs as often as its condition says", arguments: [0, 1, 7, 100] as [Int32])
    func loops(_ count: Int32) throws {
        let b = builder()
        let limit = placeholder(b, "limit", .int32)
        let result = doublingLoop(b, limit: limit)
        let session = try DirectSession(b.graph(), registry: .standard)
        let value = try session.run(feeds: [("limit:0", Tensor(count))], fetches: [result.name])
        #expect(try value[0].scalar(of: Float.self) == Float(sign: .plus, exponent: Int(count), significand: 1))
    }

    @Test("a node after two loops runs once, though each Exit is dead in all iterations but the last")
    func joinedLoops() throws {
        let b = builder()
        let short = doublingLoop(b, limit: b.scalar(3, .int32), frame: "short")
        let long = doublingLoop(b, limit: b.scalar(12, .int32), frame: "long")
        let sum = b.add("AddV2", [short, long])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        let plan = try session.plan(feeds: [], fetches: [sum.name], targets: [])
        for _ in 0..<50 { #expect(try session.run(plan, [])[0].scalar(of: Float.self) == 8 + 4096) }
    }

    @Test("a loop over two devices runs the same iterations on both", arguments: [0, 5, 40] as [Int32])
    func loopAcrossDevices(_ count: Int32) throws {
        let b = builder()
        func enter(_ value: Output, constant: Bool = false) -> Output {
            b.add("Enter", [value], attributes: ["frame_name": "across", "is_constant": .bool(constant)])[0]
        }
        let result = b.device("/cpu:0") { () -> Output in
            let i = enter(b.scalar(0, .int32)), total = enter(b.scalar(0, .float32))
            let bound = enter(placeholder(b, "limit", .int32), constant: true), one = enter(b.scalar(1, .int32), constant: true)
            let mergeI = b.add("Merge", [i, i]), mergeTotal = b.add("Merge", [total, total])
            let condition = b.add("LoopCond", [b.add("Less", [mergeI[0], bound])[0]])[0]
            let switchI = b.add("Switch", [mergeI[0], condition]), switchTotal = b.add("Switch", [mergeTotal[0], condition])
            let step = b.add("AddV2", [switchI[1], one])[0]
            let added = b.device("/cpu:1") {
                b.add("AddV2", [switchTotal[1], b.add("Cast", [step], attributes: ["DstT": .type(.float32)])[0]])[0]
            }
            b.replaceInput(1, of: mergeI, with: b.add("NextIteration", [step])[0])
            b.replaceInput(1, of: mergeTotal, with: b.add("NextIteration", [added])[0])
            return b.add("Exit", [switchTotal[0]])[0]
        }
        var options = RuntimeOptions()
        options.cpuCount = 2
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        let value = try session.run(feeds: [("limit:0", Tensor(count))], fetches: [result.name])
        #expect(try value[0].scalar(of: Float.self) == Float(count * (count + 1) / 2))
    }

    @Test("there is one transfer for each tensor and destination device")
    func crossing() throws {
        let b = builder()
        let x = b.device("/cpu:0") { placeholder(b, "x") }
        let (first, second) = b.device("/gpu:0") { (b.add("Square", [x])[0], b.add("Neg", [x])[0]) }
        let sum = b.device("/cpu:0") { b.add("AddV2", [first, second])[0] }
        var options = RuntimeOptions()
        options.simulatedGPUCount = 1
        let session = try DirectSession(b.graph(), registry: .standard, options: options)
        let plan = try session.plan(feeds: ["x:0"], fetches: [sum.name], targets: [])
        let value = try session.run(plan, [Tensor([3] as [Float])])
        #expect(try value[0].array(of: Float.self) == [6])
        let gpu = try #require(plan.parts.first { $0.device.type == "GPU" })
        #expect(gpu.graph.nodes.count { $0.isReceive } == 1)
        #expect(gpu.graph.nodes.count { $0.isSend } == 2)
    }

    @Test("a failing node ends the step with its name, and the next step works")
    func failure() throws {
        let b = builder()
        let x = placeholder(b, "x", .int32)
        let quotient = b.add("FloorDiv", [b.scalar(6, .int32), x], name: "quotient")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        do {
            _ = try session.run(feeds: [("x:0", Tensor(Int32(0)))], fetches: [quotient.name])
            Issue.record("a division by zero must fail")
        } catch let status as Status {
            #expect(status.code == .invalidArgument)
            #expect(status.message.contains("{{node quotient}}"))
        }
        #expect(try session.run(feeds: [("x:0", Tensor(Int32(2)))], fetches: [quotient.name])[0].scalar(of: Int32.self) == 3)
    }

    @Test("many threads run steps of one session concurrently")
    func concurrency() async throws {
        let b = builder()
        let x = placeholder(b, "x")
        var y = x
        for _ in 0..<50 { y = b.add("AddV2", [y, x])[0] }
        let session = try DirectSession(b.graph(), registry: .standard)
        let plan = try session.plan(feeds: ["x:0"], fetches: [y.name], targets: [])
        try await withThrowingTaskGroup(of: Void.self) { group in
            for number in 0..<8 {
                group.addTask {
                    for _ in 0..<100 {
                        let value = try session.run(plan, [Tensor(Float(number))])[0].scalar(of: Float.self)
                        #expect(value == Float(number * 51))
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    @Test("closing a session cancels a waiting step")
    func closing() async throws {
        let b = builder()
        let queue = b.add("FIFOQueueV2", attributes: ["component_types": .types([.float32])])[0]
        let element = b.add("QueueDequeueV2", [queue], attributes: ["component_types": .types([.float32])])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        let plan = try session.plan(feeds: [], fetches: [element.name], targets: [])
        let result: Result<[Tensor], Status> = await withCheckedContinuation { continuation in
            session.start(plan, []) { continuation.resume(returning: $0) }
            session.close()
        }
        #expect(throws: Status.self) { try result.get() }
        if case .failure(let status) = result { #expect(status.code == .cancelled) }
    }

    @Test("a node without outputs can be neither fed nor fetched", arguments: ["nothing", "nothing:0", "nothing:5", "^nothing"])
    func nothing(_ name: String) throws {
        let b = GraphBuilder(registry: .standard)
        _ = b.add("NoOp", name: "nothing")
        let one = b.add("Neg", [b.scalar(1, .float32)], name: "one")[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        #expect(throws: Status.self) { try session.run(feeds: [(name, Tensor(Float(1)))], fetches: [one.name]) }
        #expect(throws: Status.self) { try session.run(fetches: [name]) }
    }
}
