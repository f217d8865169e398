import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import Testing
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

@testable import WeirCluster

private typealias Status = WeirTensor.Status

@Suite("Steps over gRPC", .timeLimit(.minutes(2))) struct GRPCStepTests {
    @Test func `a step goes there and back`() async throws {
        let master = FakeMaster { request, _, done in
            #expect(request.requestID != 0)
            done(.success(RunStepReply(tensors: request.feeds)))
        }
        try await Loopback.with(master: master) { loopback in
            let feed = NamedTensor("x:0", Tensor([1, 2, 3] as [Float], ofShape: [3]))
            let reply = try await loopback.runStep(RunStep(session: "s", feeds: [feed], fetches: ["x:0"]))
            #expect(Array(reply.tensors[0].tensor.elements(Float.self)) == [1, 2, 3])
        }
    }

    @Test func `a failed step says why at any length`() async throws {
        let failure = Status.outOfRange(String(repeating: "long ", count: 2000))
        let master = FakeMaster { _, _, done in done(.failure(failure)) }
        try await Loopback.with(master: master) { loopback in
            #expect(await status { try await loopback.runStep(RunStep(session: "s")) } == failure)
        }
    }

    @Test func `other calls fail with a status whose message is cut where TensorFlow cuts it`() async throws {
        let failure = Status.invalidArgument(String(repeating: "é", count: 2000))
        try await Loopback.with(master: FakeMaster(failure: failure)) { loopback in
            let found = await status { try await loopback.master.closeSession("s") }
            #expect(found?.code == .invalidArgument)
            #expect(found?.message == String(repeating: "é", count: 1536) + " ... [truncated]")
        }
    }

    @Test func `sessions, callables and partial runs are set up through the master`() async throws {
        let master = FakeMaster()
        try await Loopback.with(master: master) { loopback in
            let node = NodeDefinition(name: "n", op: "NoOp")
            let create = CreateSession(graph: GraphDefinition(nodes: [node]), target: "grpc://a:1")
            #expect(try await loopback.master.createSession(create, cancellation: Cancellation()) == "0123456789abcdef")
            #expect(master.created.withLock { $0.map(\.target) } == ["grpc://a:1"])
            #expect(master.created.withLock { $0.map { $0.graph.nodes.map(\.name) } } == [["n"]])
            let more = GraphDefinition(nodes: [node])
            #expect(try await loopback.master.extendSession("s", graph: more, version: 4) == 5)
            let partial = RunStep(session: "s", feeds: [NamedTensor("a:0", Tensor([0 as Float], ofShape: []))])
            #expect(try await loopback.master.setUpPartialRun(partial) == "a:0")
            let options = CallableOptions(feeds: ["a:0", "b:0"])
            #expect(try await loopback.master.makeCallable("s", options: options, requestID: 0) == 2)
            let devices = try await loopback.master.listDevices("s")
            #expect(devices.local == [FakeWorker.device] && devices.remote.isEmpty)
        }
    }

    @Test func `a callable's fetches keep their places`() async throws {
        try await Loopback.with { loopback in
            let feeds = [Tensor([1 as Int64], ofShape: []), Tensor([2 as Int64], ofShape: [])]
            let reply = try await withCheckedThrowingContinuation { continuation in
                loopback.master.runCallable(
                    "s", callable: 0, feeds: feeds, requestID: 0, cancellation: Cancellation()
                ) { continuation.resume(with: $0) }
            }
            #expect(reply.tensors.map { $0.tensor.elements(Int64.self)[0] } == [2, 1])
        }
    }

    @Test func `a step that its client gives up is cancelled at the server`() async throws {
        let (started, ended) = (Event<Void>(), Event<Void>())
        try await Loopback.with(master: .untilCancelled(started, ended)) { loopback in
            let cancellation = Cancellation()
            async let found = status { try await loopback.runStep(RunStep(session: "s"), cancellation: cancellation) }
            try await started.next()
            cancellation.cancel()
            #expect(await found?.code == .cancelled)
            try await ended.next()
        }
    }

    @Test func `a step that takes too long is cancelled at the server`() async throws {
        let begun = Mutex(false)
        let ended = Event<Void>()
        let master = FakeMaster { _, cancellation, done in
            begun.withLock { $0 = true }
            let end: @Sendable () -> Void = {
                ended.happen()
                done(.failure(.cancelled("step was cancelled")))
            }
            if cancellation.register(end) == nil { end() }
        }
        try await Loopback.with(master: master) { loopback in
            var step = RunStep(session: "s")
            var timeout = Duration.milliseconds(50)
            // On a busy machine the deadline may pass before the server gets the request.
            while !begun.withLock({ $0 }) {
                step.options.timeout = timeout
                #expect(await status { try await loopback.runStep(step) } == .deadlineExceeded("Deadline Exceeded"))
                timeout *= 2
            }
            try await ended.next()
        }
    }

    @Test func `a server says that the deadline has passed, whatever the step says`() async throws {
        let (started, ended) = (Event<Void>(), Event<Void>())
        try await Loopback.with(master: .untilCancelled(started, ended)) { loopback in
            // A client that sends a grpc-timeout but does not enforce it.
            let transport = try GRPCConnection.Transport(
                target: .ipv4(address: "127.0.0.1", port: loopback.port), transportSecurity: .plaintext)
            let running = Task { try await transport.connect() }
            let client = GRPCClient(transport: transport)
            var request = ClientRequest(message: try TFRunStepRequest(RunStep(session: "s")))
            request.metadata.addString("50m", forKey: "grpc-timeout")
            let found = await status {
                try await client.unary(
                    request: request, descriptor: MasterMethod.runStep, serializer: ProtobufSerializer(),
                    deserializer: ProtobufDeserializer<TFRunStepResponse>(), options: .defaults
                ) { try $0.message }
            }
            #expect(found == .deadlineExceeded("Deadline Exceeded"))
            running.cancel()
        }
    }

    @Test func `a step whose client goes away is cancelled at the server`() async throws {
        let (started, ended) = (Event<Void>(), Event<Void>())
        try await Loopback.with(master: .untilCancelled(started, ended)) { loopback in
            async let found = status { try await loopback.runStep(RunStep(session: "s")) }
            try await started.next()
            await loopback.connection.close()
            try await ended.next()
            #expect(await found != nil)
        }
    }
}
