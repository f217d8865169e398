import GRPCCore
import Testing
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

@testable import WeirCluster

private typealias Status = WeirTensor.Status

@Suite("Servers that start and stop", .timeLimit(.minutes(2))) struct GRPCServerTests {
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
        try await Loopback.with(master: .untilCancelled(started, ended)) { loopback in
            async let found = status { try await loopback.runStep(RunStep(session: "s")) }
            try await started.next()
            await loopback.listener.shutDown(within: .zero)
            try await ended.next()
            await loopback.connection.close()
            _ = await found
        }
    }
}
