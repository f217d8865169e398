import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

/// A stopped or disconnected task, as its peers see it: it reports its devices and then sends nothing more.
@Suite("Tasks that do not respond", .timeLimit(.minutes(5)))
struct SilentTaskTests {
    /// Runs a body with a worker's server and a fake parameter server.
    private func withSilent(_ fake: FakeWorker, _ body: (Server) async throws -> Void) async throws {
        let listener = GRPCListener(host: "127.0.0.1", port: 0, services: [WorkerService(worker: fake)])
        let port = try await listener.start()
        let own = try ClusterSpec.onLoopback([("worker", 1)]).tasks[0].address
        let spec = try ClusterSpec(["ps": ["127.0.0.1:\(port)"], "worker": [own]])
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        let server = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
        let result: Result<Void, any Error>
        do { result = .success(try await body(server)) } catch { result = .failure(error) }
        async let stopped: Void = server.stop()
        await listener.shutDown(within: .zero)
        await stopped
        try result.get()
    }
    private func graph() throws -> (graph: Graph, here: Output, there: Output) {
        let b = GraphBuilder(registry: .standard)
        let x = b.device("/job:worker/task:0") { b.add("VariableV2", name: "x", attributes: ["dtype": .type(.float32), "shape": .shape([])])[0] }
        let here = b.device("/job:worker/task:0") { b.add("IsVariableInitialized", [x], name: "here", attributes: ["dtype": .type(.float32)])[0] }
        let there = b.device("/job:ps/task:0") { b.add("VariableV2", name: "y", attributes: ["dtype": .type(.float32), "shape": .shape([])])[0] }
        let read = b.device("/job:worker/task:0") { b.add("Neg", [there], name: "read")[0] }
        return (try b.graph(), here, read)
    }
    private func timeout(_ milliseconds: Int) -> RunOptions {
        var options = RunOptions()
        options.timeout = .milliseconds(milliseconds)
        return options
    }

    /// The error message of a step that needs the silent task; other steps must succeed meanwhile.
    private func message(_ fake: FakeWorker, overWire: Bool) async throws -> String {
        var message = ""
        try await withSilent(fake) { server in
            let (graph, here, there) = try graph()
            let session = try await Session(graph, target: overWire ? .address(server.target) : .server(server))
            async let waiting: Status? = {
                do {
                    _ = try await session.run(there, options: timeout(5000))
                    return nil
                } catch {
                    return Status(error)
                }
            }()
            for _ in 0..<20 { _ = try await session.run(here, options: timeout(60_000)) }
            let status = await waiting
            #expect(status?.code == .deadlineExceeded)
            message = status?.message ?? ""
        }
        return message
    }

    @Test("a step that needs a silent task ends at its deadline and names the task; other steps run", arguments: [false, true])
    func step(_ overWire: Bool) async throws {
        let fake = FakeWorker(onRunGraph: { _, _, _ in }, onReceive: { _, _, _ in })
        let message = try await message(fake, overWire: overWire)
        #expect(overWire || names(message), "\(message)")
    }
    /// Whether a message names the silent task, as the coordinator or the cancelled receive from that task does. Over the wire
    /// the client has the same deadline, which may pass first on a busy machine.
    private func names(_ message: String) -> Bool {
        ["Task /job:ps/replica:0/task:0 has not answered for ", "from remote target /job:ps/replica:0/task:0"].contains { message.contains($0) }
    }

    @Test("the same while the silent task registers the graph", arguments: [false, true])
    func registration(_ overWire: Bool) async throws {
        let never = Event<Void>()
        let fake = FakeWorker(onRegister: { try await never.next() })
        let message = try await message(fake, overWire: overWire)
        #expect(overWire || names(message), "\(message)")
    }

    @Test("a session that cannot begin ends at its timeout and names all tasks that have not answered", arguments: [false, true])
    func opening(_ overWire: Bool) async throws {
        let ports = [try HeldPort(accepts: false), try HeldPort(accepts: true)]
        let own = try ClusterSpec.onLoopback([("worker", 1)]).tasks[0].address
        let spec = try ClusterSpec(["ps": ports.map(\.address), "worker": [own]])
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        let server = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options)
        let (graph, target) = (Graph(), overWire ? Session.Target.address(server.target) : .server(server))
        let status = await #expect(throws: Status.self) { try await Session(graph, target: target, timeout: .milliseconds(overWire ? 2000 : 200)) }
        #expect(status?.code == .deadlineExceeded)
        let named = [0, 1].map { "/job:ps/replica:0/task:\($0) at \(ports[$0].address)" }.joined(separator: ", ")
        // Over the wire, the client's deadline may pass first on a busy machine.
        let message = status?.message ?? ""
        #expect(message.contains("Tasks \(named) have not answered for ") || (overWire && message == "Deadline Exceeded"), "\(message)")
        await server.stop()
    }

    @Test("a call that is cancelled ends, though the transport holds it", arguments: [false, true])
    func heldCall(_ byTask: Bool) async throws {
        let (asked, never) = (Event<Void>(), Event<Void>())
        let cancellation = Cancellation()
        let call = Task {
            try await RemoteCall.awaitResult(cancellation) {
                asked.happen()
                // A task of its own, which does not see that the call is cancelled.
                try await Task.detached { try await never.next() }.value
            }
        }
        try await asked.next()
        if byTask { call.cancel() } else { cancellation.cancel() }
        let error = await #expect(throws: Status.self) { try await call.value }
        #expect(error?.code == .cancelled)
        never.happen()
    }

    @Test("Reset closes sessions even if a task fails")
    func reset() async throws {
        try await withSilent(FakeWorker(onCleanUp: { throw Status.dataLoss("its containers are gone") })) { server in
            let (graph, here, _) = try graph()
            let session = try await Session(graph, target: .server(server))
            _ = try await session.run(here)
            await #expect { try await server.master.reset(containers: [], deviceFilters: []) } throws: { Status($0).code == .dataLoss }
            await #expect { try await session.run(here) } throws: { Status($0).code == .aborted }
        }
    }

    @Test("a cancelled step does not wait for the registration of its graph")
    func abandoned() async throws {
        let never = Event<Void>(), asked = Event<Void>()
        let fake = FakeWorker(onRegister: {
            asked.happen()
            try await never.next()
        })
        try await withSilent(fake) { server in
            let (graph, _, there) = try graph()
            let session = try await Session(graph, target: .server(server))
            let step = Task { try await session.run(there) }
            try await asked.next()
            step.cancel()
            await #expect(throws: Status.self) { try await step.value }
        }
    }
}
