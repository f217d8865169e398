import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("Collective operations between tasks", .serialized, .timeLimit(.minutes(2)))
struct CollectivesTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .tcp, .grpc]
    private static let both: [ServerOptions.TensorTransport] = [.links, .grpc]

    /// The keys of an operation.
    private struct Keys {
        var size = 3
        var group = 1
        var instance = 1
        var attributes: Attributes { ["group_size": .int(size), "group_key": .int(group), "instance_key": .int(instance)] }
    }

    private func with<R>(
        _ transport: ServerOptions.TensorTransport = .links, _ body: (TestCluster) async throws -> R
    ) async throws -> R {
        var options = ServerOptions()
        options.tensorTransport = transport
        return try await TestCluster.with([("worker", 3)], options: options, body)
    }

    private func input(_ b: GraphBuilder, _ task: Int) -> Output {
        b.add("Placeholder", name: "x\(task)", attributes: ["dtype": .type(.float32)])[0]
    }

    private func collective(
        _ b: GraphBuilder, _ op: String, _ inputs: [Output], on task: Int, _ keys: Keys = Keys(), _ attributes: Attributes = [:],
        cpu: Int = 0
    ) -> Output {
        var all = keys.attributes
        all["T"] = .type(.float32)
        for (name, value) in attributes.values { all[name] = value }
        return b.device("/job:worker/task:\(task)/device:CPU:\(cpu)") {
            b.add(op, inputs, name: "\(op)_\(task)_\(cpu)_\(keys.group)_\(keys.instance)", attributes: all)[0]
        }
    }

    private func sum(_ b: GraphBuilder, _ x: Output, on task: Int, _ keys: Keys = Keys(), final: String = "Id", cpu: Int = 0) -> Output {
        collective(
            b, "CollectiveReduce", [x], on: task, keys,
            ["merge_op": .string("Add"), "final_op": .string(ByteString(final)), "subdiv_offsets": .ints([])], cpu: cpu)
    }

    private func floats(_ tensor: Tensor) throws -> [Float] { try tensor.array(of: Float.self) }

    /// The client of one task, whose graph has that task's member of one all-reduce.
    private struct Client: Sendable {
        let session: Session
        let x: Output
        let sum: Output
        func run(_ values: [Float], options: RunOptions = RunOptions()) async throws -> [Float] {
            try await session.run(sum, feeding: [x: Tensor(values)], options: options).array(of: Float.self)
        }
    }
    private func client(_ cluster: TestCluster, _ task: Int) async throws -> Client {
        let b = GraphBuilder(registry: .standard)
        let x = input(b, task)
        let sum = sum(b, x, on: task)
        return Client(session: try await Session(b.graph(), target: .address(cluster.server("worker", task).target)), x: x, sum: sum)
    }
    private func clients(_ cluster: TestCluster) async throws -> [Client] {
        var clients: [Client] = []
        for task in 0..<3 { clients.append(try await client(cluster, task)) }
        return clients
    }
    private func run(_ clients: [Client], _ values: [[Float]]) async throws -> [[Float]] {
        try await withThrowingTaskGroup(of: (Int, [Float]).self) { group in
            for (index, client) in clients.enumerated() { group.addTask { (index, try await client.run(values[index])) } }
            return try await group.reduce(into: [[Float]](repeating: [], count: clients.count)) { $0[$1.0] = $1.1 }
        }
    }

    // MARK: One client

    @Test("three tasks of one graph get the sum, a hundred steps in a row", arguments: transports)
    func reduce(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let b = GraphBuilder(registry: .standard)
            let xs = (0..<3).map { input(b, $0) }
            let sums = (0..<3).map { sum(b, xs[$0], on: $0) }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            for step in 0..<100 {
                let values = (0..<3).map { task in (0..<5).map { Float(step * 100 + task * 10 + $0) } }
                let found = try await session.run(sums, feeding: [xs[0]: Tensor(values[0]), xs[1]: Tensor(values[1]), xs[2]: Tensor(values[2])])
                let expected = (0..<5).map { values[0][$0] + values[1][$0] + values[2][$0] }
                for result in found { #expect(try floats(result) == expected) }
            }
            #expect(cluster.servers.allSatisfy { $0.worker.collectives.mailbox.count == 0 })
            try await session.close()
        }
    }

    @Test("a large sum has the same bits on all tasks", arguments: transports)
    func largeReduce(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let count = 1_000_003
            let b = GraphBuilder(registry: .standard)
            let xs = (0..<3).map { input(b, $0) }
            let means = (0..<3).map { sum(b, xs[$0], on: $0, final: "Div") }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            let values = (0..<3).map { task in (0..<count).map { Float($0 % 1000 + task) } }
            let found = try await session.run(means, feeding: [xs[0]: Tensor(values[0]), xs[1]: Tensor(values[1]), xs[2]: Tensor(values[2])])
            let first = try floats(found[0])
            #expect(first.indices.allSatisfy { first[$0] == Float($0 % 1000 + 1) })
            for result in found.dropFirst() { #expect(try floats(result) == first) }
            try await session.close()
        }
    }

    @Test("a gather joins the tensors in the order of tasks, and a broadcast gives that of its source", arguments: both)
    func gatherAndBroadcast(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let b = GraphBuilder(registry: .standard)
            let xs = (0..<3).map { input(b, $0) }
            let gathers = (0..<3).map { task in
                collective(b, "CollectiveGather", [xs[task]], on: task, Keys(instance: 2), ["shape": .shape([6])])
            }
            let shape: Attributes = ["shape": .shape([2])]
            let broadcasts = [
                collective(b, "CollectiveBcastRecv", [], on: 0, Keys(instance: 3), shape),
                collective(b, "CollectiveBcastSend", [xs[1]], on: 1, Keys(instance: 3), shape),
                collective(b, "CollectiveBcastRecv", [], on: 2, Keys(instance: 3), shape),
            ]
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            for step in 0..<3 {
                let values = (0..<3).map { [Float(step * 10 + $0), Float(-$0)] }
                let feeds = [xs[0]: Tensor(values[0]), xs[1]: Tensor(values[1]), xs[2]: Tensor(values[2])]
                let found = try await session.run(gathers + broadcasts, feeding: feeds)
                for result in found.prefix(3) { #expect(try floats(result) == values.flatMap { $0 }) }
                for result in found.dropFirst(3) { #expect(try floats(result) == values[1]) }
            }
            try await session.close()
        }
    }

    @Test("two groups with a common task run at the same time", arguments: both)
    func twoGroups(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let b = GraphBuilder(registry: .standard)
            let xs = (0..<3).map { input(b, $0) }
            let sums = [
                sum(b, xs[0], on: 0, Keys(size: 2, group: 7)), sum(b, xs[1], on: 1, Keys(size: 2, group: 7)),
                sum(b, xs[1], on: 1, Keys(size: 2, group: 8)), sum(b, xs[2], on: 2, Keys(size: 2, group: 8)),
            ]
            let session = try await Session(b.graph(), target: .address(cluster.server("worker", 1).target))
            for _ in 0..<10 {
                let found = try await session.run(
                    sums, feeding: [xs[0]: Tensor([1] as [Float]), xs[1]: Tensor([10] as [Float]), xs[2]: Tensor([100] as [Float])])
                #expect(try found.map { try floats($0) } == [[11], [11], [110], [110]])
            }
            try await session.close()
        }
    }

    @Test("members with tensors of different sizes get an error, and the next step works", arguments: both)
    func mismatch(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let b = GraphBuilder(registry: .standard)
            let xs = (0..<3).map { input(b, $0) }
            let sums = (0..<3).map { sum(b, xs[$0], on: $0) }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            let wrong = [xs[0]: Tensor([1, 2] as [Float]), xs[1]: Tensor([1] as [Float]), xs[2]: Tensor([1] as [Float])]
            do {
                _ = try await session.run(sums, feeding: wrong)
                Issue.record("tensors of different sizes have no sum")
            } catch {
                let status = Status(error)
                #expect(status.code == .invalidArgument, "\(status)")
            }
            let right = [xs[0]: Tensor([1] as [Float]), xs[1]: Tensor([2] as [Float]), xs[2]: Tensor([3] as [Float])]
            for result in try await session.run(sums, feeding: right) { #expect(try floats(result) == [6]) }
            try await session.close()
        }
    }

    @Test("a task that leads and is no member, and one that the session names, lead", arguments: ["", "/job:worker/replica:0/task:2"])
    func leaders(_ leader: String) async throws {
        try await with { cluster in
            let b = GraphBuilder(registry: .standard)
            let xs = [1, 2].map { input(b, $0) }
            let sums = [sum(b, xs[0], on: 1, Keys(size: 2)), sum(b, xs[1], on: 2, Keys(size: 2))]
            var configuration = SessionConfiguration()
            configuration.collectiveGroupLeader = leader
            let session = try await Session(b.graph(), target: .address(cluster.server("worker", 1).target), configuration: configuration)
            let found = try await session.run(sums, feeding: [xs[0]: Tensor([1] as [Float]), xs[1]: Tensor([2] as [Float])])
            for result in found { #expect(try floats(result) == [3]) }
            try await session.close()
        }
    }

    @Test("a leader that is not in the cluster is an error")
    func wrongLeader() async throws {
        try await with { cluster in
            let b = GraphBuilder(registry: .standard)
            let x = input(b, 0)
            let sum = sum(b, x, on: 0, Keys(size: 1))
            var configuration = SessionConfiguration()
            configuration.collectiveGroupLeader = "/job:worker/task:9"
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target), configuration: configuration)
            let error = await #expect(throws: Status.self) { try await session.run(sum, feeding: [x: Tensor([1] as [Float])]) }
            #expect(error?.code == .invalidArgument && error?.message.contains("collective_group_leader") == true)
            try await session.close()
        }
    }

    @Test("members may be several devices of each task", arguments: both)
    func severalDevices(_ transport: ServerOptions.TensorTransport) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        options.runtime.cpuCount = 2
        try await TestCluster.with([("worker", 2)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            let x = input(b, 0)
            let sums = (0..<4).map { sum(b, x, on: $0 / 2, Keys(size: 4), cpu: $0 % 2) }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            for step in 1...5 {
                for result in try await session.run(sums, feeding: [x: Tensor([Float](repeating: Float(step), count: 1000))]) {
                    #expect(try floats(result) == [Float](repeating: Float(4 * step), count: 1000))
                }
            }
            try await session.close()
        }
    }

    // MARK: Three clients

    @Test("the clients of three masters get the sum", arguments: transports)
    func threeClients(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let clients = try await clients(cluster)
            for step in 0..<20 {
                let found = try await run(clients, [[Float(step)], [20], [300]])
                #expect(found == [[Float]](repeating: [Float(step) + 320], count: 3))
            }
            // A client that comes back goes on in the same group.
            try await clients[1].session.close()
            var later = clients
            later[1] = try await client(cluster, 1)
            #expect(try await run(later, [[1], [2], [3]]) == [[6], [6], [6]])
            for client in later { try await client.session.close() }
        }
    }

    @Test("masters whose clients give one graph key run steps of the same ids", arguments: both)
    func agreedStepIDs(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let clients = try await clients(cluster)
            var options = RunOptions()
            options.collectiveGraphKey = 77
            let chosen = options
            for _ in 0..<3 {
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for client in clients {
                        group.addTask {
                            let found = try await client.run([1], options: chosen)
                            #expect(found == [3])
                        }
                    }
                    try await group.waitForAll()
                }
                let next = cluster.servers.map { $0.worker.collectives.sequences.known(77) }
                #expect(next[0] != nil && next[1] == next[0] && next[2] == next[0])
            }
            for client in clients { try await client.session.close() }
        }
    }

    @Test("a client that cancels its step ends those of the others, and later steps work", arguments: both)
    func cancelled(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let clients = try await clients(cluster)
            #expect(try await run(clients, [[1], [2], [3]]) == [[6], [6], [6]])
            let mailboxes = cluster.servers.map(\.worker.collectives.mailbox)
            let cancelling = Task { try await clients[0].run([1]) }
            async let other = clients[1].run([2])
            // Both wait for the third member.
            while !mailboxes[2].waits(from: 2, to: 0) || !mailboxes[1].waits(from: 1, to: 2) { await Task.yield() }
            cancelling.cancel()
            await #expect(throws: (any Error).self) { try await cancelling.value }
            do {
                _ = try await other
                Issue.record("the second member has no sum without the others")
            } catch {
                let status = Status(error)
                #expect(status.code == .aborted, "\(status)")
                #expect(status.message.contains("/job:worker/replica:0/task:0"), "\(status)")
            }
            // A step of the third client that begins before its task knows of the end counts as late, and gets the error too.
            while cluster.servers.contains(where: { $0.worker.collectives.groupCount > 0 }) { await Task.yield() }
            #expect(try await run(clients, [[4], [5], [6]]) == [[15], [15], [15]])
            #expect(mailboxes.allSatisfy { $0.count == 0 })
            for client in clients { try await client.session.close() }
        }
    }

    @Test("a task that stops ends the steps that wait for it", arguments: both)
    func lostTask(_ transport: ServerOptions.TensorTransport) async throws {
        try await with(transport) { cluster in
            let clients = try await clients(cluster)
            #expect(try await run(clients, [[1], [2], [3]]) == [[6], [6], [6]])
            let waiting = clients.prefix(2).map { client in Task { try await client.run([1]) } }
            let mailboxes = cluster.servers.map(\.worker.collectives.mailbox)
            while !mailboxes[2].waits(from: 2, to: 0) || !mailboxes[1].waits(from: 1, to: 2) { await Task.yield() }
            await cluster.servers[2].stop(within: .zero)
            for step in waiting {
                let error = await #expect(throws: Status.self) { try await step.value }
                #expect(error?.code == .unavailable || error?.code == .aborted, "\(String(describing: error))")
            }
            #expect(cluster.servers.prefix(2).allSatisfy { $0.worker.collectives.groupCount == 0 && $0.worker.collectives.mailbox.count == 0 })
        }
    }

    @Test("a leader that stops ends the steps of its groups")
    func lostLeader() async throws {
        try await with { cluster in
            let clients = try await clients(cluster)
            #expect(try await run(clients, [[1], [2], [3]]) == [[6], [6], [6]])
            let waiting = clients.suffix(2).map { client in Task { try await client.run([1]) } }
            let mailboxes = cluster.servers.map(\.worker.collectives.mailbox)
            while !mailboxes[0].waits(from: 0, to: 1) || !mailboxes[2].waits(from: 2, to: 0) { await Task.yield() }
            await cluster.servers[0].stop(within: .zero)
            for step in waiting {
                let error = await #expect(throws: Status.self) { try await step.value }
                #expect(error?.code == .unavailable || error?.code == .aborted, "\(String(describing: error))")
            }
        }
    }
}
