import Testing
import Weir
import WeirGraph
import WeirOps
import WeirProto
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("What a traced step records")
struct StepTracingTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .grpc]

    /// A variable on `ps`, read by two workers of which one sends its result to the other.
    private func sample() throws -> (graph: Graph, initialize: String, fetch: String) {
        let b = GraphBuilder(registry: .standard)
        let v = b.device("/job:ps/task:0") {
            b.add("VariableV2", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([1000])])[0]
        }
        let initialize = b.add("Assign", [v, b.constant(Tensor([Float](repeating: 2, count: 1000)))], name: "init")
        let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
        let product = b.device("/job:worker/task:1") { b.add("Mul", [v, x], name: "product")[0] }
        let sum = b.device("/job:worker/task:0") { b.add("AddV2", [product, v], name: "sum")[0] }
        return (try b.graph(), initialize.name, sum.name)
    }

    @Test("the step of three tasks has its calls, and both ends of each tensor that moved", arguments: transports)
    func threeTasks(_ transport: ServerOptions.TensorTransport) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        try await TestCluster.with([("ps", 1), ("worker", 2)], options: options) { cluster in
            let (graph, initialize, fetch) = try sample()
            let session = try await Session(graph, target: .address(cluster.server("worker").target))
            _ = try await session.run(targets: [initialize])
            let feed = NamedTensor("x:0", Tensor(Float(3)))
            #expect(try await session.run(fetches: [fetch], feeds: [feed]).metadata == nil)
            let reply = try await session.run(fetches: [fetch], feeds: [feed], options: RunOptions(traces: true))
            let metadata = try #require(reply.metadata)
            try await session.close()

            // All tasks are in this process, so they read one clock.
            #expect(Set(metadata.calls.map(\.callee.task)) == Set(cluster.servers.map(\.task.taskName.description)))
            #expect(Set(metadata.calls.map(\.caller.task)) == ["/job:worker/replica:0/task:0"])
            #expect(Set(metadata.calls.flatMap { [$0.caller.clock, $0.callee.clock] }) == [HostClock.identity])
            for call in metadata.calls {
                #expect(call.sent <= call.arrived && call.arrived <= call.answered && call.answered <= call.returned)
                let times = metadata.times.filter { $0.device.hasPrefix(call.callee.task + "/") }
                #expect(!times.isEmpty && times.allSatisfy { call.arrived <= $0.start && $0.end <= call.answered })
            }
            let sum = try #require(metadata.times.first { $0.node == "sum" })
            let arrivals = metadata.times.filter { $0.transfer != nil && !$0.outputBytes.isEmpty && $0.device == sum.device }.map(\.node)
            #expect(Set(sum.inputs).isSubset(of: Set(arrivals)) && Set(sum.inputs).count == 2)

            let timeline = try #require(reply.timeline)
            #expect(timeline.lanes.count == 3)
            let moved = timeline.arrows.filter { $0.byteCount == 4000 }
            let links = moved.map { "\(timeline.lanes[$0.source.lane].task) \(timeline.lanes[$0.target.lane].task)" }.sorted()
            let (ps, first, second) = ("/job:ps/replica:0/task:0", "/job:worker/replica:0/task:0", "/job:worker/replica:0/task:1")
            #expect(links == ["\(ps) \(first)", "\(ps) \(second)", "\(second) \(first)"])
            if !HostClock.identity.isEmpty { #expect(timeline.clockErrorBound == 0 && timeline.clockContradiction == 0) }
            // The path ends with what ended last, the send of the fetched value, and comes from another task.
            let path = CriticalPath(timeline).steps
            let nodes = path.map { timeline.interval($0.position).node }
            #expect(nodes.suffix(2).first == "sum" && nodes.last?.hasPrefix("_send_sum") == true, "\(nodes)")
            #expect(Set(path.map(\.position.lane)).count > 1, "\(nodes)")
        }
    }

    @Test("the critical path of a chain over three tasks has all of its nodes and transfers", arguments: transports)
    func path(_ transport: ServerOptions.TensorTransport) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        try await TestCluster.with([("ps", 1), ("worker", 2)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            let v = b.device("/job:ps/task:0") {
                b.add("VariableV2", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([1000])])[0]
            }
            let initialize = b.add("Assign", [v, b.constant(Tensor([Float](repeating: 2, count: 1000)))], name: "init")
            let read = b.device("/job:ps/task:0") { b.add("Identity", [v], name: "read")[0] }
            let negative = b.device("/job:worker/task:1") { b.add("Neg", [read], name: "negative")[0] }
            let square = b.device("/job:worker/task:0") { b.add("Square", [negative], name: "square")[0] }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            _ = try await session.run(targets: [initialize.name])
            let reply = try await session.run(fetches: [square.name], options: RunOptions(traces: true))
            try await session.close()
            let timeline = try #require(reply.timeline)
            let path = CriticalPath(timeline)
            let runs = path.steps.map { (timeline.lanes[$0.position.lane].task, timeline.interval($0.position)) }
            #expect(runs.map(\.1.op) == ["VariableV2", "Identity", "_Send", "_Recv", "Neg", "_Send", "_Recv", "Square", "_Send"], "\(runs)")
            try #require(runs.count == 9)
            #expect([0, 1, 4, 7].map { runs[$0].1.node } == ["v", "read", "negative", "square"])
            let (ps, first, second) = ("/job:ps/replica:0/task:0", "/job:worker/replica:0/task:0", "/job:worker/replica:0/task:1")
            #expect(runs.map(\.0) == [ps, ps, ps, second, second, second, first, first, first])
            // What is not waiting adds up to the time from the first run's start to the last one's end.
            let whole = try #require(runs.last).1.end - runs[0].1.start
            #expect(path.duration == whole && path.steps.map(\.duration).reduce(0, +) == whole - path.steps.map(\.delay).reduce(0, +))
        }
    }

    @Test("a step in this process records what its nodes waited for")
    func direct() async throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2, 2], name: "x")
        let a = b.add("MatMul", [x, x], name: "a")[0]
        _ = b.add("MatMul", [a, a], name: "c")
        let session = try await Session(b.graph())
        let feed = NamedTensor("x:0", Tensor([1, 2, 3, 4] as [Float], ofShape: [2, 2]))
        let reply = try await session.run(fetches: ["c:0"], feeds: [feed], options: RunOptions(traces: true))
        let times = try #require(reply.metadata?.times)
        #expect(times.first { $0.node == "c" }?.inputs == ["a", "a"])
        #expect(reply.metadata?.calls.isEmpty == true)
        let timeline = try #require(reply.timeline)
        #expect(timeline.lanes.count == 1 && timeline.clockErrorBound == 0)
    }

    /// The sum over two members, of `count` elements.
    private func sum(_ b: GraphBuilder, _ device: String, count: Int) -> Output {
        b.device(device) {
            let x = b.constant(Tensor([Float](repeating: 1, count: count)))
            let attributes: Attributes = [
                "T": .type(.float32), "group_size": .int(2), "group_key": .int(3), "instance_key": .int(5), "merge_op": .string("Add"),
                "final_op": .string("Id"), "subdiv_offsets": .ints([]),
            ]
            return b.add("CollectiveReduce", [x], name: "sum", attributes: attributes)[0]
        }
    }

    @Test("the sum of two clients' tasks has arrows with its bytes on the clients' common timeline", arguments: transports)
    func twoClients(_ transport: ServerOptions.TensorTransport) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        try await TestCluster.with([("worker", 2)], options: options) { cluster in
            let count = 50_000
            let clients = try await withThrowingTaskGroup(of: (Session, StepTimeline).self) { group in
                for task in 0..<2 {
                    group.addTask {
                        let b = GraphBuilder(registry: .standard)
                        let sum = sum(b, "/job:worker/task:\(task)", count: count)
                        let session = try await Session(b.graph(), target: .address(cluster.server("worker", task).target))
                        let reply = try await session.run(fetches: [sum.name], options: RunOptions(traces: true))
                        #expect(try reply.tensors[0].tensor.array(of: Float.self) == [Float](repeating: 2, count: count))
                        return (session, try #require(reply.timeline))
                    }
                }
                return try await group.reduce(into: [(Session, StepTimeline)]()) { $0.append($1) }
            }
            for (session, timeline) in clients {
                try await session.close()
                #expect(timeline.arrows.isEmpty && timeline.unpairedEnds.count == 2)
            }
            let merged = StepTimeline(merging: clients.map(\.1))
            #expect(merged.arrows.map(\.edge) == ["collective_3_5_0", "collective_3_5_0"] && merged.unpairedEnds.isEmpty)
            #expect(merged.arrows.map(\.byteCount) == [count * 4, count * 4])
            #expect(Set(merged.arrows.map { merged.lanes[$0.source.lane].task }) == Set(cluster.servers.map(\.task.taskName.description)))
            #expect(merged.arrows.allSatisfy { $0.source.lane != $0.target.lane })
        }
    }

    @Test("a sum of two devices of a process records both directions, its arithmetic as work and the rest as waiting")
    func collective() async throws {
        let b = GraphBuilder(registry: .standard)
        let sums = (0..<2).map { sum(b, "/cpu:\($0)", count: 1000) }
        let session = try await Session(b.graph(), devices: LocalDevices(cpuCount: 2))
        let reply = try await session.run(fetches: sums.map(\.name), options: RunOptions(traces: true))
        let timeline = try #require(reply.timeline)
        // Beside them, the second device's sum is sent to the first, where the client fetches it.
        let summed = timeline.arrows.filter { $0.edge == "collective_3_5_0" }
        #expect(summed.map(\.byteCount) == [4000, 4000] && timeline.arrows.count == 3 && timeline.unpairedEnds.isEmpty)
        let runs = timeline.lanes.flatMap(\.intervals).filter { $0.node.hasPrefix("sum") }
        #expect(Set(runs.filter(\.isWaiting).map(\.op)) == ["CollectiveReduce", "_Recv"])
        #expect(Set(runs.filter { !$0.isWaiting }.map(\.op)) == ["Add", "_Send"])
    }

    @Test("the transfers of a collective operation cross the wire as those of the executor do")
    func collectiveTransfers() throws {
        let times = StepTimes()
        let (device, peer) = ("/job:worker/replica:0/task:0/device:CPU:0", "/job:worker/replica:0/task:1/device:CPU:0")
        for direction in [TracedTransfer.Direction.send, .receive] {
            times.record(
                TracedTransfer(
                    direction, node: "sum/\(direction)", edge: "collective_1_2_3", device: device, peer: peer, dtype: .float64, elementCount: 5, start: 10,
                    end: 20))
        }
        let read = NodeTime.all(in: TFStepStats(times.all(in: [])))
        #expect(read.map(\.op) == ["_Send", "_Recv"] && read.map(\.node) == ["sum/send", "sum/receive"])
        #expect(read.allSatisfy { $0.transfer == .init(edge: "collective_1_2_3", peer: peer) && $0.device == device && $0.inputs.isEmpty })
        #expect(read.allSatisfy { $0.outputBytes == [40] && $0.outputTypes == [.float64] && $0.outputShapes == [[5]] && [$0.start, $0.end] == [10, 20] })
    }

    @Test("nodes that did not run are replaced by those before them")
    func dependencies() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let folded = b.add("Neg", [x], name: "folded")[0]
        let again = b.add("Neg", [folded], name: "again")[0]
        let parts = b.add("Split", [b.constant(Tensor(Int32(0)), name: "axis"), x], name: "parts", attributes: ["num_split": .int(2)])
        _ = b.add("AddV2", [again, parts[1]], name: "sum")
        let graph = try b.graph()
        func inputs(of node: String, recorded: Set<String>) -> [String] {
            var time = NodeTime(node: node, op: "AddV2", device: "d", start: 0, end: 0)
            NodeDependencies([graph], recorded: recorded).complete(&time)
            return time.inputs
        }
        #expect(inputs(of: "sum", recorded: ["x", "parts", "sum"]) == ["parts:1", "x"])
        #expect(inputs(of: "sum", recorded: ["x", "folded", "again", "parts", "sum"]) == ["again", "parts:1"])
        #expect(inputs(of: "sum", recorded: ["x", "sum"]) == ["x"])
        #expect(inputs(of: "unknown", recorded: ["x"]).isEmpty)
    }

    @Test("the first run of a loop's Merge did not wait for an iteration, the next one did")
    func loop() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let next = b.add("NextIteration", [x], name: "next")[0]
        _ = b.add("Merge", [x, next], name: "merge")
        let times = StepTimes()
        for (number, node) in ["x", "merge", "next", "merge"].enumerated() {
            times.record(node: node, op: "Op", device: "d", start: number, end: number, outputs: [])
        }
        #expect(times.all(in: [try b.graph()]).map(\.inputs) == [[], ["x"], ["x"], ["x", "next"]])
    }

    @Test("labels are TensorFlow's: inputs of a node, or the tensor and the other device of a transfer")
    func labels() throws {
        var sum = NodeTime(node: "sum", op: "AddV2", device: "d", start: 1000, end: 2000)
        sum.inputs = ["a", "b:1", "^c"]
        var send = NodeTime(node: "a/_1", op: "_Send", device: "d", start: 1000, end: 2000)
        send.inputs = ["a:2", "^c"]
        send.transfer = NodeTime.Transfer(edge: "edge_3_a", peer: "/job:ps/replica:0/task:0/device:CPU:0")
        var receive = NodeTime(node: "b/_2", op: "_Recv", device: "d", start: 1000, end: 2000)
        receive.transfer = NodeTime.Transfer(edge: "edge_4_b", peer: "/job:ps/replica:0/task:0/device:CPU:0")
        let stats = TFStepStats([sum, send, receive])
        #expect(
            stats.devStats[0].nodeStats.map(\.timelineLabel) == [
                "sum = AddV2(a, b:1, ^c)", "a/_1 = _Send(a:2, ^c, edge_3_a @/job:ps/replica:0/task:0/device:CPU:0)",
                "b/_2 = _Recv(edge_4_b @/job:ps/replica:0/task:0/device:CPU:0)",
            ])
        let read = NodeTime.all(in: stats)
        #expect(read.map(\.inputs) == [sum.inputs, send.inputs, []] && read.map(\.transfer) == [nil, send.transfer, receive.transfer])
        #expect(read.map(\.op) == ["AddV2", "_Send", "_Recv"])
    }

    @Test("a call with which a worker of TensorFlow's got a tensor is read as a receive, and sent on as one")
    func tensorCalls() throws {
        var stats = TFNodeExecStats()
        stats.nodeName = "RecvTensor"
        // As TensorFlow 2.21 writes it.
        stats.timelineLabel =
            "[4000B] [113.475174Mb/s] edge_4_v/read from /job:ps/replica:0/task:0/device:CPU:0 to /job:worker/replica:0/task:0/device:CPU:0"
        stats.allStartMicros = 7
        stats.opEndRelMicros = 3
        var output = TFNodeOutput()
        output.tensorDescription.allocationDescription.requestedBytes = 4000
        stats.output = [output]
        var device = TFDeviceStepStats()
        device.device = "/job:worker/replica:0/task:0/device:CPU:0"
        device.nodeStats = [stats]
        var all = TFStepStats()
        all.devStats = [device]
        let times = NodeTime.all(in: all)
        for time in [times, NodeTime.all(in: TFStepStats(times))].flatMap({ $0 }) {
            #expect(time.node == "RecvTensor/edge_4_v/read" && time.op == "_Recv" && time.inputs.isEmpty)
            #expect(time.transfer == .init(edge: "edge_4_v/read", peer: "/job:ps/replica:0/task:0/device:CPU:0"))
            #expect(time.transfer?.producer == "v/read" && time.outputBytes == [4000] && [time.start, time.end] == [7000, 10_000])
        }
        #expect(times.count == 1)
    }

    @Test(
        "the node whose tensor is transferred is known by the name of the edge, if partitioning gave it",
        arguments: [
            ("edge_7_x", "x"), ("edge_12_a/b_1", "a/b_1"), ("edge_7_", nil), ("edge_x_y", nil), ("x:0", "x"), (":0", nil), ("x", nil), ("", nil),
            ("collective_3_5_0", nil), ("x:", nil),
        ] as [(String, String?)])
    func producers(_ edge: String, _ node: String?) {
        #expect(NodeTime.Transfer(edge: edge, peer: "d").producer.map { String($0) } == node)
    }

    @Test("a send waited for the node whose tensor it sends, or for those before it if that has not run")
    func sends() throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [2], name: "x")
        let y = b.add("Neg", [x], name: "y")[0]
        let attributes: Attributes = [
            "T": .type(.float32), "tensor_name": .string("edge_1_y"), "send_device": .string("/job:a/replica:0/task:0/device:CPU:0"),
            "recv_device": .string("/job:b/replica:0/task:0/device:CPU:0"), "send_device_incarnation": .int(1),
        ]
        _ = b.add("_Send", [y], name: "y_S0", attributes: attributes)
        let graph = try b.graph()
        for (recorded, inputs) in [(["x", "y", "y_S0"], ["y"]), (["x", "y_S0"], ["x"])] {
            var time = NodeTime(node: "y_S0", op: "_Send", device: "d", start: 0, end: 0)
            NodeDependencies([graph], recorded: Set(recorded)).complete(&time)
            #expect(time.inputs == inputs && time.transfer == .init(edge: "edge_1_y", peer: "/job:b/replica:0/task:0/device:CPU:0"))
        }
    }

    @Test(
        "labels of TensorFlow's versions, and those of no known form, are read",
        arguments: [
            ("[cpu 1.2MB 3.4MB] m = MatMul(a, b)", "MatMul", ["a", "b"], nil), ("r = _Recv(edge_1_w @/d", "_Recv", [], "edge_1_w /d"),
            ("r = _Recv(edge_1_w @/d)", "_Recv", [], "edge_1_w /d"), ("n = NoOp()", "NoOp", [], nil), ("n = ", "", [], nil), ("", "", [], nil),
            ("x", "", [], nil),
            ("n = A(", "A", [], nil), ("n = (", "", [], nil), (" = )", ")", [], nil),
        ] as [(String, String, [String], String?)])
    func foreignLabels(_ label: String, _ op: String, _ inputs: [String], _ transfer: String?) throws {
        var stats = TFNodeExecStats()
        stats.timelineLabel = label
        var device = TFDeviceStepStats()
        device.nodeStats = [stats]
        var all = TFStepStats()
        all.devStats = [device]
        let time = try #require(NodeTime.all(in: all).first)
        #expect(time.op == op && time.inputs == inputs && time.transfer.map { "\($0.edge) \($0.peer)" } == transfer)
    }

    @Test("a call crosses the wire with the times of both clocks, apart from the times of nodes")
    func calls() throws {
        let call = StepCall(
            caller: .init(task: "/job:worker/replica:0/task:0", clock: "a"), callee: .init(task: "/job:ps/replica:0/task:0", clock: "b"),
            sent: 9_000_000_000_000, arrived: 6_000_000_000_400, answered: 6_000_000_000_700, returned: 9_000_000_001_000)
        let node = NodeTime(node: "n", op: "Neg", device: "/job:ps/replica:0/task:0/device:CPU:0", start: 5, end: 6)
        var metadata = RunMetadata(times: [node])
        metadata.calls = [call]
        let read = try RunMetadata(TFRunMetadata(metadata), variants: .none)
        #expect(read.calls == [call] && read.times.map(\.node) == ["n"])
        var reply = RunGraphReply(times: [node])
        reply.call = call
        #expect(try RunGraphReply(TFRunGraphResponse(reply), variants: .none).call == call)
        // A node may have the name of a call.
        let twin = NodeTime(node: "RunGraph", op: "NoOp", device: "/job:ps/replica:0/task:0/device:CPU:0", start: 5, end: 6)
        #expect(NodeTime.all(in: TFStepStats([twin])).count == 1 && StepCall.all(in: TFStepStats([twin])).isEmpty)
    }

    @Test("times of a call that a peer made up are limited", arguments: [Int64.min, -1, 0, .max])
    func madeUp(_ number: Int64) throws {
        var stats = TFStepStats(
            [], calls: [StepCall(caller: .init(task: ""), callee: .init(task: "/job:ps/task:0"), sent: 1, arrived: 1, answered: 1, returned: 1)])
        stats.devStats[0].nodeStats[0].allStartNanos = number
        stats.devStats[0].nodeStats[0].opStartRelNanos = number
        stats.devStats[0].nodeStats[0].allEndRelNanos = .max
        let call = try #require(StepCall.all(in: stats).first)
        #expect([call.sent, call.arrived, call.answered, call.returned].allSatisfy { (0...Int.max / 2).contains($0) })
        _ = TFStepStats([], calls: [call])
    }

    @Test("a worker of TensorFlow's is bounded by its kernels, and a worker cannot speak for another task")
    func completion() {
        let ps = DeviceName(job: "ps", replica: 0, task: 0)
        let master = StepCall.Party(task: "/job:worker/replica:0/task:0", clock: "m")
        var reply = RunGraphReply(times: [
            NodeTime(node: "a", op: "Neg", device: "d", start: 20, end: 90), NodeTime(node: "b", op: "Neg", device: "d", start: 10, end: 30),
        ])
        reply.completeCall(of: ps, by: master, sent: 1, returned: 100)
        #expect(
            reply.call
                == StepCall(caller: master, callee: .init(task: "/job:ps/replica:0/task:0"), sent: 1, arrived: 10, answered: 90, returned: 100))
        reply.call?.callee.task = "/job:worker/replica:0/task:7"
        reply.completeCall(of: ps, by: master, sent: 1, returned: 100)
        #expect(reply.call?.callee.task == "/job:ps/replica:0/task:0")
        var empty = RunGraphReply()
        empty.completeCall(of: ps, by: master, sent: 1, returned: 100)
        #expect(empty.call == nil)
    }
}
