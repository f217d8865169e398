import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

/// Limits on the state that clients abandon: unclosed sessions and compiled steps that are never used again.
@Suite("Abandoned sessions and steps", .serialized, .timeLimit(.minutes(5)))
struct AbandonedTests {
    private func counter(_ count: Int) throws -> (graph: Graph, outputs: [Output]) {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [], name: "x")
        let outputs = (0..<count).map { b.add("AddV2", [x, b.scalar(Double($0), .float32)], name: "n\($0)")[0] }
        return (try b.graph(), outputs)
    }

    @Test("of 10,000 abandoned sessions the 1,000 last used stay; clients of the others get ABORTED")
    func sessions() async throws {
        let server = try await Server.createLocal()
        let (graph, _) = try counter(1)
        let first = try await Session(graph, target: .server(server))
        let used = try await Session(graph, target: .server(server))
        for number in 0..<10_000 {
            _ = try await server.master.createSession(CreateSession(graph: GraphDefinition(nodes: [])), cancellation: Cancellation())
            if number % 500 == 0 { _ = try await used.run(fetches: ["n0:0"], feeds: [NamedTensor("x:0", Tensor(Float(1)))]) }
        }
        #expect(server.master.sessionCount == 1000)
        while server.worker.sessionCount > 1000 { await Task.yield() }
        do {
            _ = try await first.run(fetches: ["n0:0"], feeds: [NamedTensor("x:0", Tensor(Float(1)))])
            Issue.record("its session has made room for others")
        } catch {
            #expect(Status(error).code == .aborted && Status(error).message.contains("is not found"))
        }
        #expect(try await used.run(fetches: ["n0:0"], feeds: [NamedTensor("x:0", Tensor(Float(1)))]).tensors[0].tensor.scalar(of: Float.self) == 1)
        await server.stop()
    }

    @Test("a session that grows evicts the least recently used ones")
    func growing() async throws {
        var options = ServerOptions()
        options.maximumNodeCount = 100
        let server = try await Server.createLocal(options: options)
        func session(_ count: Int) async throws -> String {
            try await server.master.createSession(CreateSession(graph: try counter(count).graph.definition), cancellation: Cancellation())
        }
        let first = try await session(10)
        let second = try await session(10)
        #expect(server.master.sessionCount == 2)
        // They had 21 nodes each; the second has 81 now.
        let growth = (0..<60).map { NodeDefinition(name: "more\($0)", op: "NoOp") }
        #expect(try await server.master.extendSession(second, graph: GraphDefinition(nodes: growth), version: 0) == 1)
        #expect(server.master.sessionCount == 1)
        await #expect(throws: Status.self) { _ = try await server.master.extendSession(first, graph: GraphDefinition(nodes: growth), version: 0) }
        #expect(try await server.master.extendSession(second, graph: GraphDefinition(nodes: [NodeDefinition(name: "last", op: "NoOp")]), version: 1) == 2)
        await server.stop()
    }

    @Test("an evicted session with its own ClusterSpec closes its connections")
    func views() async throws {
        var options = ServerOptions()
        options.maximumSessions = 3
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options) { cluster in
            let server = try cluster.server("worker")
            let (graph, _) = try counter(1)
            // The same servers, as tasks of another job.
            let addresses = cluster.spec.tasks.map(\.address)
            var configuration = SessionConfiguration()
            configuration.cluster = try ClusterSpec(["view": addresses])
            let own = try #require(cluster.spec.address(job: "worker", task: 0))
            for _ in 0..<30 {
                let request = CreateSession(graph: graph.definition, configuration: configuration, target: "grpc://\(own)")
                _ = try await server.master.createSession(request, cancellation: Cancellation())
            }
            #expect(server.master.sessionCount == 3)
            // Each session has two views (master and worker) with one connection each to another task; plus the server's own.
            while server.openWorkerCount > 8 { await Task.yield() }
        }
    }

    @Test("tasks keep the graphs of the latest steps, and an evicted step is compiled again")
    func fetches() async throws {
        try await TestCluster.with([("worker", 1)]) { cluster in
            let server = try cluster.server("worker")
            let count = 60
            let (graph, _) = try counter(count)
            let handle = try await server.master.createSession(CreateSession(graph: graph.definition), cancellation: Cancellation())
            // Each pair of outputs makes a different step.
            func run(_ first: Int, _ second: Int) async throws -> [Float] {
                let request = RunStep(
                    session: handle, feeds: [NamedTensor("x:0", Tensor(Float(1)))], fetches: ["n\(first):0", "n\(second):0"])
                let reply = try await withCheckedThrowingContinuation { continuation in
                    server.master.runStep(request, cancellation: Cancellation()) { continuation.resume(with: $0) }
                }
                return try reply.tensors.map { try $0.tensor.scalar(of: Float.self) }
            }
            for first in 0..<count {
                for second in first + 1..<count { #expect(try await run(first, second) == [Float(first) + 1, Float(second) + 1]) }
            }
            let session = try #require(server.worker.openSession(handle))
            while session.graphCount > 1000 { await Task.yield() }
            #expect(try await run(0, 1) == [1, 2])
            #expect(try await run(count - 2, count - 1) == [59, 60])
            // A duplicate fetch is returned once, as in TensorFlow.
            #expect(try await run(7, 7) == [8])
            #expect(server.worker.steps.count == 0)
        }
    }

    @Test("abandoned callables and partial runs are evicted")
    func callables() async throws {
        let server = try await Server.createLocal()
        let (graph, _) = try counter(1)
        let handle = try await server.master.createSession(CreateSession(graph: graph.definition), cancellation: Cancellation())
        let options = CallableOptions(feeds: ["x:0"], fetches: ["n0:0"])
        var last = 0
        for _ in 0..<10_500 { last = try await server.master.makeCallable(handle, options: options, requestID: 0) }
        func run(_ callable: Int) async throws -> RunStepReply {
            try await withCheckedThrowingContinuation { continuation in
                server.master.runCallable(handle, callable: callable, feeds: [Tensor(Float(1))], requestID: 0, cancellation: Cancellation()) {
                    continuation.resume(with: $0)
                }
            }
        }
        #expect(try await run(last).tensors[0].tensor.scalar(of: Float.self) == 1)
        await #expect(throws: Status.self) { try await run(0) }

        let setUp = RunStep(session: handle, feeds: [NamedTensor("x:0", Tensor(Float(0)))], fetches: ["n0:0"])
        let first = try await server.master.setUpPartialRun(setUp)
        for _ in 0..<1000 { _ = try await server.master.setUpPartialRun(setUp) }
        var part = RunStep(session: handle, feeds: [NamedTensor("x:0", Tensor(Float(1)))], fetches: ["n0:0"])
        part.partialRunHandle = first
        let call = part
        await #expect(throws: Status.self) {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<RunStepReply, any Error>) in
                server.master.runStep(call, cancellation: Cancellation()) { continuation.resume(with: $0) }
            }
        }
        await server.stop()
    }
}
