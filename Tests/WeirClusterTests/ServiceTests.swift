import Logging
import ServiceLifecycle
import Synchronization
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("Servers as services, and their logs", .serialized, .timeLimit(.minutes(1)))
struct ServiceTests {
    /// A parameter server and a worker, with a session on the worker. Its step `back` waits for `put`, on both tasks.
    private struct Cluster {
        let (ps, worker): (Server, Server)
        let session: Session
        let (put, back): (WeirGraph.Operation, Output)

        init(gracePeriod: Duration) async throws {
            let spec = try ClusterSpec.onLoopback([("ps", 1), ("worker", 1)])
            var options = ServerOptions()
            options.host = "127.0.0.1"
            options.gracePeriod = gracePeriod
            ps = try await Server(ServerDefinition(.cluster(spec), job: "ps", task: 0), options: options)
            options.gracePeriod = .zero
            worker = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
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
            back = b.device("/job:worker/task:0") { b.add("Neg", [there], name: "back")[0] }
            self.put = put
            session = try await Session(b.graph(), target: .server(worker))
        }

        /// Starts a step and returns when its partition runs on the parameter server.
        func startStep() async throws -> Task<Tensor, any Error> {
            while ps.worker.steps.begunCount > 0 { await Task.yield() }
            let step = Task { try await session.run(back) }
            while ps.worker.steps.begunCount == 0 { await Task.yield() }
            return step
        }
    }

    @Test("a server in a service group serves steps; a graceful shutdown lets the running step end, then `run` returns")
    func gracefulShutdown() async throws {
        let cluster = try await Cluster(gracePeriod: .seconds(3600))
        let group = ServiceGroup(services: [cluster.ps], logger: Logger(label: "test"))
        let running = Task { try await group.run() }
        try await cluster.session.run(cluster.put)
        #expect(try await cluster.session.run(cluster.back).scalar(of: Float.self) == 7)

        let step = try await cluster.startStep()
        await group.triggerGracefulShutdown()
        while !cluster.ps.worker.gate.isClosed { await Task.yield() }
        try await cluster.session.run(cluster.put)
        #expect(try await step.value.scalar(of: Float.self) == 7)
        try await running.value
        #expect(try await unreachable(cluster.ps))
        await cluster.worker.stop()
    }

    @Test("a cancelled service group does not wait for the running step, also when it is shutting down gracefully", arguments: [false, true])
    func cancellation(_ isShuttingDown: Bool) async throws {
        let cluster = try await Cluster(gracePeriod: .seconds(3600))
        let group = ServiceGroup(services: [cluster.ps], logger: Logger(label: "test"))
        let running = Task { try await group.run() }
        let step = try await cluster.startStep()
        if isShuttingDown {
            await group.triggerGracefulShutdown()
            while !cluster.ps.worker.gate.isClosed { await Task.yield() }
        }
        running.cancel()
        try? await running.value
        #expect(try await unreachable(cluster.ps))
        await #expect(throws: Status.self) { try await step.value }
        await cluster.worker.stop()
    }

    @Test("a server that is stopped twice at a time stops once, after the shorter grace period")
    func twice() async throws {
        let cluster = try await Cluster(gracePeriod: .seconds(3600))
        let step = try await cluster.startStep()
        async let first: Void = cluster.ps.stop()
        async let second: Void = cluster.ps.stop(within: .zero)
        async let join: Void = cluster.ps.join()
        _ = await (first, second, join)
        await cluster.ps.stop()
        await #expect(throws: Status.self) { try await step.value }
        await cluster.worker.stop()
    }

    private func unreachable(_ server: Server) async throws -> Bool {
        do {
            _ = try await ServerProbe.devices(address: "127.0.0.1:\(server.port)", timeout: .seconds(20))
            return false
        } catch {
            return Status(error).code == .unavailable
        }
    }

    @Test("a server logs with the logger of its options: the placement has the metadata `task` and `session`")
    func logs() async throws {
        let lines = Lines()
        var options = ServerOptions()
        options.logger = Logger(label: "test") { _ in lines.handler }
        let server = try await Server.createLocal(options: options)
        let b = GraphBuilder(registry: .standard)
        _ = b.add("NoOp", name: "nothing")
        var configuration = SessionConfiguration()
        configuration.logsPlacement = true
        let session = try await Session(b.graph(), target: .server(server), configuration: configuration)
        let placed = try #require(lines.all.first { $0.message == "Placed the graph" })
        #expect(placed.metadata["task"] == "/job:localhost/replica:0/task:0")
        #expect(placed.metadata["session"]?.description.count == 16)
        #expect(placed.metadata["placement"]?.description.contains("nothing") == true)
        #expect(lines.all.allSatisfy { $0.metadata["task"] != nil })
        try await session.close()
        await server.stop()
    }
}

/// The lines that a logger has written.
private final class Lines: Sendable {
    private let lines = Mutex<[(message: String, metadata: Logger.Metadata)]>([])
    var all: [(message: String, metadata: Logger.Metadata)] { lines.withLock { $0 } }
    var handler: any LogHandler { Handler(lines: self) }

    private struct Handler: LogHandler {
        let lines: Lines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { _, new in new }
            lines.lines.withLock { $0.append(("\(event.message)", all)) }
        }
    }
}
