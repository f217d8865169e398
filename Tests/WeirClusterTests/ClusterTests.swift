import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("Clusters", .serialized)
struct ClusterTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .tcp, .grpc]
    private func options(_ transport: ServerOptions.TensorTransport) -> ServerOptions {
        var options = ServerOptions()
        options.tensorTransport = transport
        return options
    }
    private func variable(_ b: GraphBuilder, _ name: String, _ count: Int) -> Output {
        b.add("VariableV2", name: name, attributes: ["dtype": .type(.float32), "shape": .shape([count])])[0]
    }

    @Test("a step on three tasks gives the same result over links (shared memory or TCP) and gRPC", arguments: transports)
    func threeTasks(_ transport: ServerOptions.TensorTransport) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)], options: options(transport)) { cluster in
            let b = GraphBuilder(registry: .standard)
            let v = b.device("/job:ps/task:0") { variable(b, "v", 3) }
            let initialize = b.add("Assign", [v, b.constant(Tensor([1, 2, 3] as [Float]))], name: "init")
            let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32)])[0]
            let a = b.device("/job:worker/task:0") { b.add("Mul", [v, x])[0] }
            let c = b.device("/job:worker/task:1") { b.add("AddV2", [a, v])[0] }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            try await session.run(initialize)
            for number in 1...20 {
                let result = try await session.run(c, feeding: [x: Tensor(Float(number))])
                #expect(try result.array(of: Float.self) == [1, 2, 3].map { $0 * Float(number) + $0 })
            }
            try await session.close()
        }
    }

    @Test("a task that a test cluster does not have is an error", arguments: [("ps", 0), ("worker", 1), ("worker", -1)])
    func noSuchTask(_ job: String, _ task: Int) async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            _ = #expect(throws: Status.self) { try cluster.server(job, task) }
        }
    }

    @Test("large tensors arrive intact", arguments: transports)
    func largeTensors(_ transport: ServerOptions.TensorTransport) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options(transport)) { cluster in
            let count = 3_000_000
            let b = GraphBuilder(registry: .standard)
            let v = b.device("/job:ps/task:0") { variable(b, "v", count) }
            let values = (0..<count).map { Float($0 % 1000) }
            let x = b.add("Placeholder", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape([count])])[0]
            let initialize = b.add("Assign", [v, x], name: "init")
            let y = b.device("/job:worker/task:0") { b.add("Identity", [v])[0] }
            let session = try await Session(b.graph(), target: .server(cluster.server("worker")))
            try await session.run(initialize, feeding: [x: Tensor(values)])
            let result = try await session.run(y)
            #expect(try result.array(of: Float.self) == values)
            try await session.close()
        }
    }

    @Test("string tensors arrive intact", arguments: transports)
    func strings(_ transport: ServerOptions.TensorTransport) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options(transport)) { cluster in
            let b = GraphBuilder(registry: .standard)
            let text = b.device("/job:ps/task:0") { b.add("Identity", [b.constant(Tensor([ByteString([0, 200]), "weir"], ofShape: [2]))])[0] }
            let y = b.device("/job:worker/task:0") { b.add("Identity", [text])[0] }
            let session = try await Session(b.graph(), target: .server(cluster.server("worker")))
            #expect(try await session.run(y) == Tensor([ByteString([0, 200]), "weir"], ofShape: [2]))
            try await session.close()
        }
    }

    @Test("sessions of different clients share variables, which outlive them")
    func sharing() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            func client(_ task: Int) throws -> (Graph, init: Operation, add: Operation, read: Output) {
                let b = GraphBuilder(registry: .standard)
                let v = b.device("/job:ps/task:0") { variable(b, "shared", 1) }
                let initialize = b.add("Assign", [v, b.constant(Tensor([0] as [Float]))], name: "init")
                let add = b.add("AssignAdd", [v, b.constant(Tensor([1] as [Float]))], name: "add", attributes: ["use_locking": true])
                let read = b.device("/job:worker/task:\(task)") { b.add("Identity", [v], name: "read")[0] }
                return (try b.graph(), initialize, add, read)
            }
            let first = try client(0), second = try client(1)
            let one = try await Session(first.0, target: .address(cluster.server("worker", 0).target))
            let two = try await Session(second.0, target: .address(cluster.server("worker", 1).target))
            try await one.run(first.`init`)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (session, add) in [(one, first.add), (two, second.add)] {
                    group.addTask { for _ in 0..<25 { try await session.run(add) } }
                }
                try await group.waitForAll()
            }
            #expect(try await two.run(second.read).array(of: Float.self) == [50])
            try await one.close()
            let third = try await Session(first.0, target: .address(cluster.server("worker", 0).target))
            #expect(try await third.run(first.read).array(of: Float.self) == [50])
            try await Session.reset(target: cluster.server("worker", 0).target, containers: ["ps"])
            let fourth = try await Session(first.0, target: .address(cluster.server("worker", 0).target))
            await #expect(throws: Status.self) { try await fourth.run(first.read) }
        }
    }

    @Test("an error on another task reaches the client with the node and the task", arguments: transports)
    func errors(_ transport: ServerOptions.TensorTransport) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options(transport)) { cluster in
            let b = GraphBuilder(registry: .standard)
            let v = b.device("/job:ps/task:0") { variable(b, "v", 1) }
            let y = b.device("/job:worker/task:0") { b.add("Neg", [v], name: "y")[0] }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            do {
                _ = try await session.run(y)
                Issue.record("reading an uninitialized variable must fail")
            } catch {
                let status = Status(error)
                #expect(status.code == .failedPrecondition)
                #expect(status.message.contains("uninitialized value v"))
                #expect(status.message.contains("/job:ps/replica:0/task:0"))
            }
        }
    }

    @Test("a step that waits for a queue ends at its deadline and takes no element")
    func deadline() async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            let b = GraphBuilder(registry: .standard)
            let queue = b.add("FIFOQueueV2", name: "q", attributes: ["component_types": .types([.float32])])[0]
            let take = b.add("QueueDequeueV2", [queue], attributes: ["component_types": .types([.float32])])[0]
            let put = b.add("QueueEnqueueV2", [queue, b.scalar(7, .float32)], name: "put")
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            var options = RunOptions()
            options.timeout = .milliseconds(100)
            do {
                _ = try await session.run(take, options: options)
                Issue.record("nothing was enqueued")
            } catch {
                let status = Status(error)
                #expect(status.code == .deadlineExceeded)
            }
            try await session.run(put)
            #expect(try await session.run(take).scalar(of: Float.self) == 7)
        }
    }

    @Test("isolated sessions do not see each other's variables")
    func isolation() async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            let b = GraphBuilder(registry: .standard)
            let v = variable(b, "v", 1)
            let initialize = b.add("Assign", [v, b.constant(Tensor([1] as [Float]))], name: "init")
            let read = b.add("Identity", [v])[0]
            var configuration = SessionConfiguration()
            configuration.isolatesState = true
            let one = try await Session(b.graph(), target: .address(cluster.server("worker").target), configuration: configuration)
            let two = try await Session(b.graph(), target: .address(cluster.server("worker").target), configuration: configuration)
            try await one.run(initialize)
            #expect(try await one.run(read).array(of: Float.self) == [1])
            await #expect(throws: Status.self) { try await two.run(read) }
        }
    }

    @Test("when a task dies the step fails with its name; after its restart a new session works")
    func restart() async throws {
        let spec = try ClusterSpec.onLoopback([("ps", 1), ("worker", 1)])
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .milliseconds(100)
        let worker = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
        let firstServer = try await Server(ServerDefinition(.cluster(spec), job: "ps", task: 0), options: options)
        let b = GraphBuilder(registry: .standard)
        let v = b.device("/job:ps/task:0") { variable(b, "v", 1) }
        let initialize = b.add("Assign", [v, b.constant(Tensor([5] as [Float]))], name: "init")
        let read = b.device("/job:worker/task:0") { b.add("Identity", [v])[0] }
        let session = try await Session(b.graph(), target: .address(worker.target))
        try await session.run(initialize)
        #expect(try await session.run(read).array(of: Float.self) == [5])
        await firstServer.stop()
        do {
            _ = try await session.run(read)
            Issue.record("the parameter server is gone")
        } catch {
            let status = Status(error)
            #expect(status.code == .unavailable || status.code == .aborted)
            #expect(status.message.contains("/job:ps/replica:0/task:0"))
        }
        let again = try await Server(ServerDefinition(.cluster(spec), job: "ps", task: 0), options: options)
        try? await session.close()
        let next = try await Session(b.graph(), target: .address(worker.target))
        await #expect(throws: Status.self) { try await next.run(read) }
        try await next.run(initialize)
        #expect(try await next.run(read).array(of: Float.self) == [5])
        try? await next.close()
        await worker.stop()
        await again.stop()
    }

    @Test("a port in use is an error of one line")
    func takenPort() async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            do {
                _ = try await Server(ServerDefinition(.cluster(cluster.spec), job: "worker", task: 0))
                Issue.record("two servers on one port")
            } catch {
                let status = Status(error)
                #expect(status.message.contains("in use") && !status.message.contains("\n"))
            }
        }
    }
}
