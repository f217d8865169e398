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

/// The error of the body, as a status; nil when it succeeds.
private func status(of body: () async throws -> some Any) async -> Status? {
    do {
        _ = try await body()
        return nil
    } catch {
        return Status(anyError: error)
    }
}

@Suite(.timeLimit(.minutes(2))) struct GRPCServiceTests {
    // MARK: Steps

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

    // MARK: Cancellation

    /// A master whose steps end only on cancellation.
    private func untilCancelled(_ started: Event<Void>, _ ended: Event<Void>) -> FakeMaster {
        FakeMaster { _, cancellation, done in
            _ = cancellation.register {
                ended.happen()
                done(.failure(.cancelled("step was cancelled")))
            }
            started.happen()
        }
    }

    @Test func `a step that its client gives up is cancelled at the server`() async throws {
        let (started, ended) = (Event<Void>(), Event<Void>())
        try await Loopback.with(master: untilCancelled(started, ended)) { loopback in
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
        try await Loopback.with(master: untilCancelled(started, ended)) { loopback in
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
        try await Loopback.with(master: untilCancelled(started, ended)) { loopback in
            async let found = status { try await loopback.runStep(RunStep(session: "s")) }
            try await started.next()
            await loopback.connection.close()
            try await ended.next()
            #expect(await found != nil)
        }
    }

    // MARK: Workers

    @Test func `a graph is registered and run`() async throws {
        let worker = FakeWorker(onRunGraph: { request, _, done in
            done(.success(RunGraphReply(received: request.sends)))
        })
        try await Loopback.with(worker: worker) { loopback in
            #expect(try await loopback.worker.status() == [FakeWorker.device])
            try await loopback.worker.createSession(CreateWorkerSession(session: "s", job: "worker", task: 0))
            let graph = RegisterGraph(session: "s", graph: GraphDefinition(), configuration: SessionConfiguration())
            #expect(try await loopback.worker.registerGraph(graph) == "0000000000000001")
            let send = NamedTensor("key", Tensor([5 as Int32], ofShape: []))
            let reply = try await loopback.runGraph(RunGraph(session: "s", graph: "1", step: 2, sends: [send]))
            #expect(reply.received.map(\.name) == ["key"])
            try await loopback.worker.cleanUpGraph(step: 2)
        }
    }

    @Test func `a failed call says which task it was made to`() async throws {
        try await Loopback.with { loopback in
            let found = await status { try await loopback.worker.deregisterGraph("7", session: "s") }
            #expect(found?.code == .aborted)
            let text = """
                Graph handle is not found: 7. Possibly, this worker just restarted.
                Additional GRPC error information from remote target /job:worker/replica:0/task:0 while calling \
                /tensorflow.WorkerService/DeregisterGraph:
                :
                """
            #expect(found?.message.hasPrefix(text) == true)
        }
    }

    @Test(arguments: [true, false])
    func `the failure of a part says whether it is the fallout of another`(isDerived: Bool) async throws {
        let failure = Status(.aborted, "Step 2 failed", isDerived: isDerived)
        let worker = FakeWorker(onRunGraph: { _, _, done in done(.failure(failure)) })
        try await Loopback.with(worker: worker) { loopback in
            let found = await status { try await loopback.runGraph(RunGraph(session: "s", graph: "1", step: 2)) }
            #expect(found?.code == .aborted && found?.isDerived == isDerived)
            #expect(found?.message.hasPrefix("Step 2 failed") == true)
        }
    }

    @Test(arguments: [
        Tensor([10 as Float], ofShape: []), Tensor([Double](), ofShape: [0, 3]), Tensor([true, false], ofShape: [2]),
        Tensor([ByteString(Array("x".utf8)), ByteString(Array("yz".utf8))], ofShape: [2]),
    ])
    func `a tensor arrives as it was sent`(tensor: Tensor) async throws {
        let worker = FakeWorker(onReceive: { _, _, done in done(.success(RendezvousItem(tensor))) })
        try await Loopback.with(worker: worker) { loopback in
            let delivery = try await loopback.receive("key")
            #expect(delivery.tensor.dtype == tensor.dtype && delivery.tensor.shape == tensor.shape && !delivery.isDead)
            if tensor.dtype.isBitwise {
                #expect(Array(delivery.tensor.bytes) == Array(tensor.bytes))
            } else {
                #expect(delivery.tensor.elements(ByteString.self).elementsEqual(tensor.elements(ByteString.self)))
            }
        }
    }

    @Test func `a tensor much larger than a window arrives`() async throws {
        let large = try Tensor(.int32, [20 << 20])
        for index in 0..<large.elementCount { large.mutableElements(Int32.self)[index] = Int32(index) }
        let worker = FakeWorker(onReceive: { _, _, done in done(.success(RendezvousItem(large))) })
        try await Loopback.with(worker: worker) { loopback in
            let delivery = try await loopback.receive("key")
            let isSame = delivery.tensor.bytes.elementsEqual(large.bytes)
            #expect(isSame)
        }
    }

    @Test func `many large tensors at once on one connection all arrive`() async throws {
        let large = try Tensor(.int32, [1 << 20])
        large.mutableElements(Int32.self).update(repeating: 7)
        let worker = FakeWorker(onReceive: { _, _, done in done(.success(RendezvousItem(large))) })
        try await Loopback.with(worker: worker) { loopback in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<16 {
                    group.addTask {
                        for round in 0..<8 {
                            let tensor = try await loopback.receive("\(number).\(round)").tensor
                            #expect(tensor.elementCount == 1 << 20 && tensor.elements(Int32.self).last == 7)
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }

    @Test func `a dead tensor arrives dead`() async throws {
        try await Loopback.with { loopback in
            let delivery = try await loopback.receive("key")
            #expect(delivery.isDead && delivery.tensor.shape == [0])
        }
    }

    @Test func `a thousand tensors are waited for at once and come in any order`() async throws {
        let count = 1000
        let waiting = Mutex<[(String, Completion<RendezvousItem>)]>([])
        let worker = FakeWorker(onReceive: { request, _, done in
            let all = waiting.withLock { waiting in
                waiting.append((request.key.text, done))
                return waiting.count == count ? waiting : []
            }
            for (key, done) in all.reversed() {
                done(.success(RendezvousItem(Tensor([Int32(key) ?? -1], ofShape: []))))
            }
        })
        try await Loopback.with(worker: worker) { loopback in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for key in 0..<count {
                    group.addTask {
                        try await loopback.receive("\(key)").tensor.scalar(of: Int32.self) == Int32(key)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test func `tensors that nobody waits for any more do not cost the connection`() async throws {
        // More stream resets than a server tolerates from one client.
        let count = 500
        let arrived = Event<Void>()
        let release = Mutex<[Completion<RendezvousItem>]>([])
        let worker = FakeWorker(onReceive: { _, _, done in
            release.withLock { $0.append(done) }
            arrived.happen()
        })
        try await Loopback.with(worker: worker) { loopback in
            let cancellation = Cancellation()
            try await withThrowingTaskGroup(of: Status?.self) { group in
                for key in 0..<count {
                    group.addTask { await status { try await loopback.receive("\(key)", cancellation: cancellation) } }
                }
                for _ in 0..<count { try await arrived.next() }
                cancellation.cancel()
                for try await found in group { #expect(found?.code == .cancelled && found?.isDerived == true) }
            }
            #expect(try await loopback.worker.status() == [FakeWorker.device])
            for done in release.withLock({ $0 }) { done(.failure(.aborted("forgotten"))) }
        }
    }

    @Test func `what Weir does not have answers that it is not there`() async throws {
        try await Loopback.with { loopback in
            func code<Reply: Sendable>(
                _ method: MethodDescriptor, _ serializer: some MessageDeserializer<Reply>
            ) async -> Status.Code? {
                await status {
                    try await loopback.connection.call(
                        method, TFMarkRecvFinishedRequest(), ProtobufSerializer(), serializer)
                }?.code
            }
            #expect(await code(WorkerMethod.tracing, ProtobufDeserializer<TFTracingResponse>()) == .unimplemented)
            #expect(
                await code(WorkerMethod.markRecvFinished, ProtobufDeserializer<TFMarkRecvFinishedResponse>()) == nil)
            let unknown = MethodDescriptor(fullyQualifiedService: "tensorflow.WorkerService", method: "Nothing")
            #expect(await code(unknown, ProtobufDeserializer<TFTracingResponse>()) == .unimplemented)
        }
    }

    // MARK: Starting and stopping servers

    @Test func `a worker that is not there is unavailable at once, and is waited for by status alone`() async throws {
        let port = try await Loopback.with { $0.port }
        let waits = Event<Void>()
        let connection = GRPCConnection(address: "localhost:\(port)")
        let worker = RemoteWorker(
            task: DeviceName(job: "worker", replica: 0, task: 0), connection: connection,
            whileWaiting: { waits.happen() })
        let found = await status { try await worker.cleanUpGraph(step: 1) }
        #expect(found?.code == .unavailable)
        #expect(found?.message.contains("localhost:\(port)") == true)
        let answer = Task { try await worker.status() }
        try await waits.next()
        let devices = try await Loopback.with(port: port) { _ in try await answer.value }
        #expect(devices == [FakeWorker.device])
        await connection.close()
    }

    @Test func `a worker that comes back is found again`() async throws {
        let port = try await Loopback.with { $0.port }
        let connection = GRPCConnection(address: "127.0.0.1:\(port)")
        let worker = RemoteWorker(task: DeviceName(job: "worker", replica: 0, task: 0), connection: connection)
        for _ in 0..<3 {
            let devices = try await Loopback.with(port: port) { _ in try await worker.status() }
            #expect(devices == [FakeWorker.device])
        }
        await connection.close()
        #expect(await status { try await worker.cleanUpGraph(step: 1) }?.code == .cancelled)
    }

    @Test func `a host that does not exist is unavailable`() async {
        let connection = GRPCConnection(address: "no-such-host.invalid:1")
        let worker = RemoteWorker(task: DeviceName(job: "worker", replica: 0, task: 0), connection: connection)
        #expect(await status { try await worker.cleanUpGraph(step: 1) }?.code == .unavailable)
        await connection.close()
    }

    @Test(arguments: ["nothing", "host:", ":1", "host:0", "host:x"])
    func `an address must be a host and a port`(address: String) async {
        let connection = GRPCConnection(address: address)
        let worker = RemoteWorker(task: DeviceName(job: "worker", replica: 0, task: 0), connection: connection)
        let found = await status { try await worker.cleanUpGraph(step: 1) }
        #expect(found?.code == .invalidArgument)
        #expect(found?.message.hasPrefix("Could not interpret \"\(address)\" as a host-port pair.") == true)
    }

    @Test func `a port in use is named in one line`() async throws {
        try await Loopback.with { loopback in
            let second = GRPCListener(host: "127.0.0.1", port: loopback.port, services: [])
            let found = await status { try await second.start() }
            #expect(found == .unavailable("Cannot listen on 127.0.0.1:\(loopback.port): the address is already in use"))
            await second.shutDown(within: .zero)
        }
    }

    @Test func `a server that stops lets a step end and takes no other`() async throws {
        let started = Event<Completion<RunStepReply>>()
        let master = FakeMaster { _, cancellation, done in
            #expect(!cancellation.isCancelled)
            started.happen(done)
        }
        try await Loopback.with(master: master) { loopback in
            async let first = loopback.runStep(RunStep(session: "s"))
            let done = try await started.next()
            async let stopped: Void = loopback.listener.shutDown(within: .seconds(60))
            // Steps are accepted, and completed by the second task, until the shutdown has begun; then they are rejected.
            let found = await withTaskGroup(of: Status?.self) { group in
                group.addTask {
                    while true {
                        let failure = await status {
                            let _: TFRunStepResponse = try await loopback.connection.call(
                                MasterMethod.runStep, TFRunStepRequest(RunStep(session: "s")), ProtobufSerializer(),
                                ProtobufDeserializer())
                        }
                        if let failure { return failure }
                    }
                }
                group.addTask {
                    while let done = try? await started.next() { done(.success(RunStepReply(tensors: []))) }
                    return nil
                }
                defer { group.cancelAll() }
                return await group.next() ?? nil
            }
            #expect(found == .unavailable("The server is shutting down"))
            done(.success(RunStepReply(tensors: [])))
            _ = try await first
            await stopped
        }
    }

    @Test func `a server that stops cancels what does not end in time`() async throws {
        let (started, ended) = (Event<Void>(), Event<Void>())
        try await Loopback.with(master: untilCancelled(started, ended)) { loopback in
            async let found = status { try await loopback.runStep(RunStep(session: "s")) }
            try await started.next()
            await loopback.listener.shutDown(within: .zero)
            try await ended.next()
            await loopback.connection.close()
            _ = await found
        }
    }
}
