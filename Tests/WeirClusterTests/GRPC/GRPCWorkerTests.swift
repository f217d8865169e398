import GRPCCore
import Synchronization
import Testing
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

@testable import WeirCluster

private typealias Status = WeirTensor.Status

@Suite("Calls of workers over gRPC", .timeLimit(.minutes(2))) struct GRPCWorkerTests {
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
}
