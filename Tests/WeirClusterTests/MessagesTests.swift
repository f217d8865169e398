import Testing
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

@testable import WeirCluster

@Suite struct MessagesTests {
    private let matrix = Tensor([1, 2, 3, 4] as [Float], ofShape: [2, 2])

    // MARK: Master

    @Test func `a step keeps its feeds, fetches and options on the way`() throws {
        var step = RunStep(session: "s", feeds: [NamedTensor("x:0", matrix)], fetches: ["y:0"], targets: ["init"])
        step.options.timeout = .milliseconds(1500)
        step.options.traces = true
        step.options.returnsPartitionGraphs = true
        step.partialRunHandle = "3"
        step.requestID = 42
        let message = try TFRunStepRequest(step)
        #expect(message.storeErrorsInResponseBody)
        #expect(message.options.timeoutInMs == 1500 && message.options.traceLevel == .fullTrace)
        let read = try RunStep(message, variants: .none)
        #expect(read.session == "s" && read.fetches == ["y:0"] && read.targets == ["init"])
        #expect(read.feeds.map(\.name) == ["x:0"])
        #expect(Array(read.feeds[0].tensor.elements(Float.self)) == [1, 2, 3, 4])
        #expect(read.options.timeout == .milliseconds(1500) && read.options.traces)
        #expect(read.options.returnsPartitionGraphs)
        #expect(read.partialRunHandle == "3" && read.requestID == 42)
    }

    @Test func `strings to feed go into tensor_content`() throws {
        let text = Tensor([ByteString(Array("ab".utf8)), ByteString([])], ofShape: [2])
        let message = try TFRunStepRequest(RunStep(session: "s", feeds: [NamedTensor("x:0", text)]))
        #expect(Array(message.feed[0].tensor.tensorContent) == [2, 0, 0x61, 0x62])
    }

    @Test func `the set-up of a partial run has names of feeds without values`() {
        let step = RunStep(session: "s", feeds: [NamedTensor("x:0", matrix)], fetches: ["y:0"])
        let read = RunStep(TFPartialRunSetupRequest(step))
        #expect(read.feedNames == ["x:0"] && read.fetches == ["y:0"])
    }

    @Test func `fetched tensors come in the order they were asked for`() throws {
        let other = Tensor([7 as Int32], ofShape: [])
        let reply = RunStepReply(tensors: [NamedTensor("b:0", other), NamedTensor("a:0", matrix)])
        let message = try TFRunStepResponse(reply)
        #expect(message.hasMetadata)
        #expect(message.tensor[0].tensor.hasTensorShape)
        let read = try RunStepReply(message, fetches: ["a:0", "b:0"], variants: .none)
        #expect(read.tensors.map(\.name) == ["a:0", "b:0"])
        #expect(read.metadata == nil)
        #expect(throws: Status.internalError("The master's answer has no tensor 'c:0', which was to be fetched")) {
            try RunStepReply(message, fetches: ["c:0"], variants: .none)
        }
    }

    @Test func `a failure in the body is whole`() {
        let long = Status.failedPrecondition(String(repeating: "x", count: 10_000))
        #expect(throws: long) {
            try RunStepReply(TFRunStepResponse(failure: long), fetches: [], variants: .none)
        }
    }

    @Test func `a callable's options keep their connections`() throws {
        var options = CallableOptions(feeds: ["x:0"], fetches: ["y:0"], targets: ["t"])
        options.connections = [(from: "a:0", to: "b:0")]
        var message = TFCallableOptions(options)
        #expect(!(try CallableOptions(message).hasFeedOrFetchDevices))
        message.feedDevices = ["x:0": "/device:GPU:0"]
        let read = try CallableOptions(message)
        #expect(read.feeds == ["x:0"] && read.fetches == ["y:0"] && read.targets == ["t"])
        #expect(read.connections.map(\.from) == ["a:0"] && read.connections.map(\.to) == ["b:0"])
        #expect(read.hasFeedOrFetchDevices)
    }

    @Test func `a debugger is refused`() {
        var message = TFRunOptions()
        message.debugOptions.debugTensorWatchOpts = [TFDebugTensorWatch()]
        #expect { try RunOptions(message) } throws: { ($0 as? Status)?.code == .unimplemented }
    }

    // MARK: Worker

    @Test func `a part of a step keeps its keys and flags on the way`() throws {
        let send = NamedTensor("key", matrix)
        var part = RunGraph(session: "s", graph: "1", step: 1 << 56, sends: [send], receives: ["k2"])
        part.isPartial = true
        part.isLastPartial = true
        part.recordsTimes = true
        part.requestID = -5
        let read = try RunGraph(try TFRunGraphRequest(part), variants: .none)
        #expect(read.session == "s" && read.graph == "1" && read.step == 1 << 56 && read.hasSession)
        #expect(read.sends.map(\.name) == ["key"] && read.receives == ["k2"])
        #expect(read.isPartial && read.isLastPartial && read.recordsTimes && !read.recordsPartitionGraphs)
        #expect(read.requestID == -5)
    }

    @Test func `an answer always has a cost graph`() throws {
        #expect(try TFRunGraphResponse(RunGraphReply()).hasCostGraph)
        #expect(TFRunGraphResponse(failure: .cancelled("no")).hasCostGraph)
    }

    @Test func `a worker session names the cluster only when the session has its own`() throws {
        var session = CreateWorkerSession(
            session: "s", job: "worker", task: 3, isolatesState: true, masterTask: "/job:worker/replica:0/task:0",
            masterIncarnation: 0xfedc_ba98_7654_3210)
        let message = try TFCreateWorkerSessionRequest(session)
        #expect(!message.serverDef.hasCluster && message.serverDef.protocol == "grpc")
        let read = try CreateWorkerSession(message)
        #expect(read.cluster == nil && read.job == "worker" && read.task == 3 && read.isolatesState)
        #expect(read.masterTask == "/job:worker/replica:0/task:0" && read.masterIncarnation == 0xfedc_ba98_7654_3210)
        session.cluster = try ClusterSpec(["ps": [0: "a:1", 4: "b:2"]])
        #expect(try CreateWorkerSession(try TFCreateWorkerSessionRequest(session)).cluster == session.cluster)
    }

    @Test func `a graph of an old master has its options without a session's`() throws {
        var message = TFRegisterGraphRequest()
        message.graphOptions.optimizerOptions.optLevel = .l0
        message.createWorkerSessionCalled = false
        let read = try RegisterGraph(message, variants: .none)
        #expect(!read.configuration.optimizes && !read.hasSession)
    }

    @Test func `a registered graph keeps nodes and options on the way`() throws {
        var configuration = SessionConfiguration()
        configuration.optimizes = false
        let node = NodeDefinition(name: "n", op: "NoOp", device: "/job:a/replica:0/task:0/device:CPU:0")
        var graph = RegisterGraph(session: "s", graph: GraphDefinition(nodes: [node]), configuration: configuration)
        graph.collectiveGraphKey = 9
        let message = try TFRegisterGraphRequest(graph)
        #expect(message.createWorkerSessionCalled && message.graphOptions.optimizerOptions.optLevel == .l0)
        let read = try RegisterGraph(message, variants: .none)
        #expect(read.graph.nodes.map(\.device) == [node.device] && read.collectiveGraphKey == 9)
        #expect(!read.configuration.optimizes)
    }

    // MARK: Step statistics

    @Test func `times are grouped by device in the fields that viewers read`() throws {
        let times = [
            NodeTime(
                node: "a", op: "MatMul", device: "cpu", start: 5_000_900, end: 5_003_100, outputBytes: [16],
                outputTypes: [.float32], outputShapes: [[2, 2]]),
            NodeTime(node: "b", op: "Relu", device: "gpu", start: 6_000_000, end: 6_001_000),
            NodeTime(node: "c", op: "Add", device: "cpu", start: 7_000_000, end: 7_000_000),
        ]
        let stats = TFStepStats(times)
        #expect(stats.devStats.map(\.device) == ["cpu", "gpu"])
        #expect(stats.devStats.map { $0.nodeStats.map(\.nodeName) } == [["a", "c"], ["b"]])
        let first = stats.devStats[0].nodeStats[0]
        #expect(first.allStartMicros == 5000 && first.opStartRelMicros == 0)
        #expect(first.opEndRelMicros == 3 && first.allEndRelMicros == 3)
        #expect(first.timelineLabel == "a = MatMul()")
        let description = first.output[0].tensorDescription
        #expect(description.dtype == .dtFloat && description.shape.dim.map(\.size) == [2, 2])
        #expect(description.allocationDescription.requestedBytes == 16)

        let read = NodeTime.all(in: stats)
        #expect(read.map(\.node) == ["a", "c", "b"] && read.map(\.op) == ["MatMul", "Add", "Relu"])
        #expect(read[0].start == 5_000_900 && read[0].end == 5_003_100)
        #expect(read[0].outputShapes == [[2, 2]] && read[0].outputTypes == [.float32] && read[0].outputBytes == [16])
    }

    @Test func `times of a peer without nanoseconds are read from its microseconds`() {
        var node = TFNodeExecStats()
        node.nodeName = "a"
        node.allStartMicros = 10
        node.opEndRelMicros = 5
        node.timelineLabel = "[CPU] a = MatMul(b, c)"
        var device = TFDeviceStepStats()
        device.nodeStats = [node]
        var stats = TFStepStats()
        stats.devStats = [device]
        let read = NodeTime.all(in: stats)
        #expect(read.map(\.start) == [10_000] && read.map(\.end) == [15_000] && read.map(\.op) == ["MatMul"])
    }

    @Test(arguments: [(Int64.min, Int64.min), (.max, .max), (.max, .min), (.min, .max), (-1, 0)])
    func `times that a peer made up can be added and subtracted`(_ start: Int64, _ duration: Int64) {
        for isFine in [true, false] {
            var node = TFNodeExecStats()
            if isFine {
                (node.allStartNanos, node.opEndRelNanos) = (start, duration)
            } else {
                (node.allStartMicros, node.opEndRelMicros) = (start, duration)
            }
            var output = TFNodeOutput()
            output.tensorDescription.dtype = .dtFloat
            output.tensorDescription.allocationDescription.requestedBytes = start
            node.output = [output, output]
            var device = TFDeviceStepStats()
            device.nodeStats = [node]
            var stats = TFStepStats()
            stats.devStats = [device]
            let read = NodeTime.all(in: stats)
            #expect(read.allSatisfy { $0.start >= 0 && $0.end >= $0.start && $0.outputBytes.reduce(0, +) >= 0 })
            // A start of 0 means that the peer records no start.
            #expect(NodeTime.all(in: TFStepStats(read)).map(\.end) == read.map(\.end) || !isFine || start <= 0)
        }
    }

    // MARK: Options and clusters

    @Test func `options that Weir does not read are passed on`() throws {
        var message = TFConfigProto()
        message.allowSoftPlacement = true
        message.gpuOptions.allowGrowth = true
        message.operationTimeoutInMs = 250
        message.deviceFilters = ["/job:ps"]
        message.graphOptions.rewriteOptions.disableMetaOptimizer = true
        var configuration = try SessionConfiguration(message)
        #expect(configuration.allowsSoftPlacement && configuration.operationTimeout == .milliseconds(250))
        #expect(configuration.deviceFilters == ["/job:ps"] && !configuration.optimizes)
        #expect(try TFConfigProto(configuration) == message)
        configuration.allowsSoftPlacement = false
        let written = try TFConfigProto(configuration)
        #expect(!written.allowSoftPlacement && written.gpuOptions.allowGrowth)
    }

    @Test func `a client's options win over a server's, and lists are joined`() throws {
        var defaults = SessionConfiguration()
        defaults.operationTimeout = .seconds(1)
        defaults.allowsSoftPlacement = true
        defaults.deviceFilters = ["/job:ps"]
        var client = SessionConfiguration()
        client.operationTimeout = .seconds(2)
        client.deviceFilters = ["/job:worker"]
        let merged = try client.merged(over: defaults)
        #expect(merged.operationTimeout == .seconds(2) && merged.allowsSoftPlacement)
        #expect(merged.deviceFilters == ["/job:ps", "/job:worker"])
    }

    @Test func `a cluster keeps the numbers of its tasks`() throws {
        let cluster = try ClusterSpec(["ps": [0: "a:1"], "worker": [2: "b:2", 5: "c:3"]])
        #expect(try ClusterSpec(TFClusterDef(cluster)) == cluster)
        var twice = TFClusterDef(cluster)
        twice.job.append(twice.job[0])
        #expect(throws: Status.invalidArgument("Cluster: job 'ps' is there more than once")) { try ClusterSpec(twice) }
    }

    @Test(arguments: zip([Duration.microseconds(1), .milliseconds(3), .seconds(2), .zero], [1, 3, 2000, 0] as [Int64]))
    func `a timeout is never rounded down to none`(duration: Duration, milliseconds: Int64) {
        #expect(duration.milliseconds == milliseconds)
    }
}
