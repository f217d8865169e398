import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("Graceful shutdown of servers", .serialized, .timeLimit(.minutes(1)))
struct DrainTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .grpc]

    @Test("a draining parameter server finishes its partitions of running steps, and starts no new ones", arguments: transports)
    func parameterServer(_ transport: ServerOptions.TensorTransport) async throws {
        let spec = try ClusterSpec.onLoopback([("ps", 1), ("worker", 1)])
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.tensorTransport = transport
        options.gracePeriod = .seconds(40)
        let ps = try await Server(ServerDefinition(.cluster(spec), job: "ps", task: 0), options: options)
        options.gracePeriod = .zero
        let worker = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
        let b = GraphBuilder(registry: .standard)
        let types: Attributes = ["component_types": .types([.float32])]
        let (take, put) = b.device("/job:worker/task:0") {
            let queue = b.add("FIFOQueueV2", name: "q", attributes: types)[0]
            return (
                b.add("QueueDequeueV2", [queue], name: "take", attributes: types)[0],
                b.add("QueueEnqueueV2", [queue, b.scalar(7, .float32)], name: "put")
            )
        }
        let there = b.device("/job:ps/task:0") { b.add("Neg", [take], name: "there")[0] }
        let back = b.device("/job:worker/task:0") { b.add("Neg", [there], name: "back")[0] }
        let session = try await Session(b.graph(), target: .server(worker))
        try await session.run(put)
        #expect(try await session.run(back).scalar(of: Float.self) == 7)

        while ps.worker.steps.begunCount > 0 { await Task.yield() }
        async let running = session.run(back)
        while ps.worker.steps.begunCount == 0 { await Task.yield() }
        let stopped = Event<Void>()
        let stopping = Task {
            await ps.stop()
            stopped.happen()
        }
        while !ps.worker.gate.isClosed { await Task.yield() }
        do {
            _ = try await session.run(back)
            Issue.record("the parameter server begins no new steps")
        } catch {
            #expect(Status(error).code == .unavailable && Status(error).message.contains("/job:ps/replica:0/task:0"), "\(error)")
        }
        // The running step gets its queue element and returns its result.
        try await session.run(put)
        #expect(try await running.scalar(of: Float.self) == 7)
        try await stopped.next()
        await stopping.value
        await worker.stop()
    }

    @Test("a task whose links break counts as dead")
    func death() async throws {
        let spec = try ClusterSpec.onLoopback([("ps", 1), ("worker", 1)])
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        let ps = try await Server(ServerDefinition(.cluster(spec), job: "ps", task: 0), options: options)
        let worker = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
        let b = GraphBuilder(registry: .standard)
        let types: Attributes = ["component_types": .types([.float32])]
        let take = b.device("/job:ps/task:0") {
            b.add("QueueDequeueV2", [b.add("FIFOQueueV2", name: "q", attributes: types)[0]], name: "take", attributes: types)[0]
        }
        let here = b.device("/job:worker/task:0") { b.add("Neg", [take], name: "here")[0] }
        let session = try await Session(b.graph(), target: .server(worker))
        async let result: Status? = {
            do {
                _ = try await session.run(here)
                return nil
            } catch {
                return Status(error)
            }
        }()
        while ps.worker.steps.begunCount == 0 { await Task.yield() }
        // As when its process dies: links break without a closing message.
        ps.breakLinks()
        let status = await result
        #expect(status?.code == .unavailable)
        #expect(status?.message.contains("Task /job:ps/replica:0/task:0 has ended or cannot be reached") == true, "\(String(describing: status))")
        await ps.stop()
        await worker.stop()
    }

    @Test("calls that arrive during shutdown fail without a crash")
    func lateCalls() async throws {
        for _ in 0..<20 {
            let listener = GRPCListener(host: "127.0.0.1", port: 0, services: [MasterService(master: FakeMaster())])
            let connection = GRPCConnection(address: "127.0.0.1:\(try await listener.start())")
            let master = RemoteMaster(connection: connection)
            _ = try await master.listDevices("s")
            let callers = (0..<16).map { _ in
                Task { while (try? await master.listDevices("s")) != nil {} }
            }
            await listener.shutDown(within: .zero)
            await connection.close()
            for caller in callers { await caller.value }
        }
    }
}
