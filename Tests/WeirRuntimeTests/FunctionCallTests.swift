import Synchronization
import Testing
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// Recursive functions, and call trees too large to finish.
@Suite("Function calls", .timeLimit(.minutes(2)))
struct FunctionCallTests {
    /// A function of one float with these nodes as its body.
    private func function(_ name: String, _ nodes: [NodeDefinition], returns: String) -> FunctionDefinition {
        FunctionDefinition(
            name: name, inputs: [OpSchema.Argument(name: "x", type: .fixed(.float32))],
            outputs: [OpSchema.Argument(name: "y", type: .fixed(.float32))], nodes: nodes, returns: ["y": returns])
    }
    private func call(_ name: String, as op: String, _ input: String) -> NodeDefinition {
        guard op != name else { return NodeDefinition(name: "call_\(name)", op: name, inputs: [input]) }
        return NodeDefinition(
            name: "call_\(name)", op: op, inputs: [input],
            attributes: ["f": .function(FunctionReference(name)), "Tin": .types([.float32]), "Tout": .types([.float32])])
    }
    private func session(_ functions: [FunctionDefinition], calling name: String) throws -> (DirectSession, String) {
        let b = GraphBuilder(registry: .standard)
        for function in functions { b.addFunction(function) }
        let result = b.add(name, [b.scalar(1, .float32)])[0]
        return (try DirectSession(b.graph(), registry: .standard), result.name)
    }
    private func failure(_ session: DirectSession, _ fetch: String) -> Status? {
        do { _ = try session.run(fetches: [fetch]) } catch { return Status(error) }
        return nil
    }

    @Test("infinite recursion fails, whichever op calls the function", arguments: ["f", "PartitionedCall", "StatefulPartitionedCall"])
    func endless(_ op: String) throws {
        let output = op == "f" ? "y" : "output"
        let (session, fetch) = try session([function("f", [call("f", as: op, "x")], returns: "call_f:\(output):0")], calling: "f")
        let status = failure(session, fetch)
        #expect(status?.code == .resourceExhausted && status?.message.contains("'f' is called more than") == true)
        // Fails in the same way after the first failure.
        #expect(failure(session, fetch)?.code == .resourceExhausted)
    }

    @Test("infinite mutual recursion fails")
    func mutual() throws {
        let functions = [
            function("f", [call("g", as: "g", "x")], returns: "call_g:y:0"),
            function("g", [call("f", as: "PartitionedCall", "x")], returns: "call_f:output:0"),
        ]
        let (session, fetch) = try session(functions, calling: "f")
        #expect(failure(session, fetch)?.code == .resourceExhausted)
    }

    @Test("finite recursion works, thousands of calls deep")
    func countdown() throws {
        let one = NodeDefinition(name: "one", op: "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(1)))])
        let zero = NodeDefinition(name: "zero", op: "Const", attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(0)))])
        let positive = NodeDefinition(name: "positive", op: "Greater", inputs: ["x", "zero:output:0"], attributes: ["T": .type(.float32)])
        let less = NodeDefinition(name: "less", op: "Sub", inputs: ["x", "one:output:0"], attributes: ["T": .type(.float32)])
        let branch = NodeDefinition(
            name: "branch", op: "StatelessIf", inputs: ["positive:z:0", "less:z:0"],
            attributes: [
                "Tcond": .type(.bool), "Tin": .types([.float32]), "Tout": .types([.float32]), "then_branch": .function(FunctionReference("down")),
                "else_branch": .function(FunctionReference("stay")),
            ])
        let down = function("down", [one, zero, positive, less, branch], returns: "branch:output:0")
        let stay = function("stay", [NodeDefinition(name: "same", op: "Identity", inputs: ["x"], attributes: ["T": .type(.float32)])], returns: "same:output:0")
        let b = GraphBuilder(registry: .standard)
        b.addFunction(down)
        b.addFunction(stay)
        let result = b.add("down", [b.scalar(8000, .float32)])[0]
        let session = try DirectSession(b.graph(), registry: .standard)
        for _ in 0..<3 { #expect(try session.run(fetches: [result.name])[0].scalar(of: Float.self) == -1) }
    }

    /// `f0` calls `f1` twice, which calls `f2` twice, and so on: 2^40 calls.
    private func doublingTree() throws -> (DirectSession, String) {
        var functions: [FunctionDefinition] = []
        for level in 0..<40 {
            let calls = ["a", "b"].map { NodeDefinition(name: $0, op: "f\(level + 1)", inputs: ["x"]) }
            let sum = NodeDefinition(name: "sum", op: "AddV2", inputs: ["a:y:0", "b:y:0"], attributes: ["T": .type(.float32)])
            functions.append(function("f\(level)", calls + [sum], returns: "sum:z:0"))
        }
        functions.append(
            function("f40", [NodeDefinition(name: "same", op: "Tanh", inputs: ["x"], attributes: ["T": .type(.float32)])], returns: "same:y:0"))
        return try session(functions, calling: "f0")
    }

    @Test("2^40 calls stop at the deadline, and other sessions run meanwhile")
    func deadline() async throws {
        let (tree, fetch) = try doublingTree()
        let plan = try tree.plan(feeds: [], fetches: [fetch], targets: [])
        let b = GraphBuilder(registry: .standard)
        let sum = b.add("AddV2", [b.scalar(1, .float32), b.scalar(2, .float32)])[0]
        let other = try DirectSession(b.graph(), registry: .standard)
        let otherPlan = try other.plan(feeds: [], fetches: [sum.name], targets: [])
        @Sendable func result(_ session: DirectSession, _ plan: DirectSession.Plan, timeout: Duration?) async -> Result<[Tensor], Status> {
            await withCheckedContinuation { continuation in
                ComputePool.shared.submit { session.start(plan, [], timeout: timeout) { continuation.resume(returning: $0) } }
            }
        }
        await withTaskGroup(of: Result<[Tensor], Status>.self) { group in
            // More steps than the pool has threads.
            for _ in 0...ComputePool.shared.threadCount { group.addTask { await result(tree, plan, timeout: .seconds(2)) } }
            let served = await result(other, otherPlan, timeout: nil)
            #expect((try? served.get()[0].scalar(of: Float.self)) == 3)
            for await ended in group {
                guard case .failure(let status) = ended else {
                    Issue.record("2^40 calls cannot have ended")
                    continue
                }
                #expect([.deadlineExceeded, .cancelled].contains(status.code))
            }
        }
    }

    @Test("two calls of a function have separate tensor arrays")
    func stepResources() throws {
        let size = NodeDefinition(name: "size", op: "Const", attributes: ["dtype": .type(.int32), "value": .tensor(Tensor(Int32(1)))])
        let zero = NodeDefinition(name: "zero", op: "Const", attributes: ["dtype": .type(.int32), "value": .tensor(Tensor(Int32(0)))])
        let array = NodeDefinition(name: "array", op: "TensorArrayV3", inputs: ["size:output:0"], attributes: ["dtype": .type(.float32)])
        let write = NodeDefinition(
            name: "write", op: "TensorArrayWriteV3", inputs: ["array:handle:0", "zero:output:0", "x", "array:flow:0"], attributes: ["T": .type(.float32)])
        let read = NodeDefinition(
            name: "read", op: "TensorArrayReadV3", inputs: ["array:handle:0", "zero:output:0", "write:flow_out:0"], attributes: ["dtype": .type(.float32)])
        var keep = function("keep", [size, zero, array, write, read], returns: "read:value:0")
        keep.isStateful = true
        let b = GraphBuilder(registry: .standard)
        b.addFunction(keep)
        let values = (1...3).map { b.add("keep", [b.scalar(Double($0), .float32)])[0] }
        let session = try DirectSession(b.graph(), registry: .standard)
        let results = try session.run(fetches: values.map(\.name)).map { try $0.scalar(of: Float.self) }
        #expect(results == [1, 2, 3])
    }

    @Test(
        "a node with a control edge from a function's result is rejected",
        arguments: ["_Retval", "_DeviceRetval", nil] as [String?])
    func afterTheEnd(_ op: String?) throws {
        // An explicit result node in the body, or the implicit one of the function's `y`.
        let written = op.map {
            NodeDefinition(name: "mine", op: $0, inputs: ["x"], attributes: ["T": .type(.float32), "index": 1])
        }
        let waiting = NodeDefinition(
            name: "n", op: "Neg", inputs: ["x", written == nil ? "^_retval_y_0" : "^mine"], attributes: ["T": .type(.float32)])
        let returns = written == nil ? "i:output:0" : "n:y:0"
        let identity = NodeDefinition(name: "i", op: "Identity", inputs: ["x"], attributes: ["T": .type(.float32)])
        let after = NodeDefinition(name: "p", op: "Print", inputs: ["n:y:0"], attributes: ["T": .type(.float32), "U": .emptyList])
        let nodes = [identity, waiting, after] + (written.map { [$0] } ?? [])
        // Inlining rejects it, before the session exists.
        let status = #expect(throws: Status.self) { try session([function("f", nodes, returns: returns)], calling: "f") }
        #expect(status?.code == .invalidArgument && status?.message.contains("'n' waits for") == true, "\(String(describing: status))")
    }

    @Test("duplicate and out-of-range result indices are rejected")
    func callFrames() throws {
        func graph(_ indices: [Int]) throws -> Graph {
            var nodes = [
                NodeDefinition(
                    name: "c", op: "Const", device: "/job:localhost/replica:0/task:0/device:CPU:0",
                    attributes: ["dtype": .type(.float32), "value": .tensor(Tensor(Float(1)))])
            ]
            for (number, index) in indices.enumerated() {
                nodes.append(
                    NodeDefinition(
                        name: "r\(number)", op: "_Retval", inputs: ["c"], device: nodes[0].device, attributes: ["T": .type(.float32), "index": .int(index)]))
            }
            var graph = try Graph(GraphDefinition(nodes: nodes), registry: .standard)
            for id in graph.nodes.indices { graph.nodes[id].device = try DeviceName(graph.nodes[id].requestedDevice) }
            return graph
        }
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0))
        func make(_ indices: [Int]) throws -> LocalGraph {
            try LocalGraph(graph(indices), devices: devices, kernels: KernelStore(), registry: .standard)
        }
        #expect(throws: Never.self) { try make([0, 1]) }
        #expect(throws: Status.self) { try make([0, 0]) }
        #expect(throws: Status.self) { try make([1 << 40]) }
    }

    @Test("function tables are released with their graph, even for recursive functions", arguments: [true, false])
    func release(_ isRun: Bool) throws {
        weak var tables: ProcessFunctionLibraryRuntime?
        weak var table: FunctionLibraryRuntime?
        do {
            let b = GraphBuilder(registry: .standard)
            b.addFunction(function("f", [call("f", as: "f", "x")], returns: "call_f:y:0"))
            _ = b.add("f", [b.scalar(1, .float32)])
            let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0))
            var graph = try b.graph()
            for id in graph.nodes.indices { graph.nodes[id].device = devices.client.device.name }
            let made = try LocalGraph(graph, devices: devices, kernels: KernelStore(), registry: .standard)
            tables = made.functions
            table = made.functions?.table(at: devices.client.device.name) { preconditionFailure("it is there") }
            #expect(tables != nil && table != nil)
            if isRun {
                let ended = BlockingCompletion<Void>()
                made.run(StepContext(id: 1, rendezvous: LocalRendezvous())) { ended.finish($0) }
                _ = ended.wait()
            }
        }
        #expect(tables == nil && table == nil)
    }

    @Test("a graph with too many or too deeply nested functions is rejected")
    func tables() throws {
        let tables = ProcessFunctionLibraryRuntime()
        for _ in 0..<10_000 { try tables.count(FunctionReference("f")) }
        #expect(throws: Status.self) { try tables.count(FunctionReference("f")) }
        var nested = FunctionReference("f")
        for _ in 0..<100 { nested = FunctionReference("f", attributes: ["g": .function(nested)]) }
        #expect(throws: Status.self) { try ProcessFunctionLibraryRuntime().count(nested) }
    }

    @Test("recursion can be deeper than one thread's stack")
    func stacks() throws {
        func descend(_ depth: Int) throws(Status) -> Int {
            guard depth > 0 else { return 0 }
            var result: Result<Int, Status> = .success(0)
            try ThreadStack.withSufficientStack { result = Result { () throws(Status) -> Int in try descend(depth - 1) + 1 } }
            return try result.get()
        }
        #expect(try descend(300_000) == 300_000)
    }

    @Test("jobs that block every pool thread do not delay others")
    func heldThreads() throws {
        for _ in 0..<5 {
            let pool = try ComputePool(threadCount: 2)
            let released = (0..<2).map { _ in BlockingCompletion<Int>() }
            let held = (0..<2).map { _ in BlockingCompletion<Int>() }
            let served = (0..<20).map { _ in BlockingCompletion<Int>() }
            withExtendedLifetime(pool) {
                for (release, waiting) in zip(released, held) { pool.submit { waiting.finish(release.wait()) } }
                for waiting in served { pool.submit { waiting.finish(.success(1)) } }
                for waiting in served { _ = waiting.wait() }
                for release in released { release.finish(.success(1)) }
                for waiting in held { _ = waiting.wait() }
            }
        }
    }

    @Test("a pool of one thread without extra threads runs jobs in order, however long they take")
    func order() throws {
        let pool = try ComputePool(threadCount: 1, startsAdditionalThreads: false)
        let isRunning = Atomic<Bool>(false)
        let (first, second) = (BlockingCompletion<Bool>(), BlockingCompletion<Bool>())
        withExtendedLifetime(pool) {
            for waiting in [first, second] {
                pool.submit {
                    let isAlone = !isRunning.exchange(true, ordering: .acquiringAndReleasing)
                    // Longer than the delay after which a pool starts another thread.
                    let end = ContinuousClock.now + .milliseconds(350)
                    while waiting === first, ContinuousClock.now < end {}
                    isRunning.store(false, ordering: .releasing)
                    waiting.finish(.success(isAlone))
                }
            }
            for waiting in [first, second] { #expect(waiting.wait() == .success(true)) }
        }
    }
}
