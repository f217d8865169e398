import Synchronization
import Testing
import Weir
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Asynchronous replicas", .serialized)
struct LeadLimitTests {
    private let rows = Result { try RandomNetwork.table(rows: 12, seed: 2) }
    private func clients(_ cluster: TestCluster, _ strategy: AsynchronousReplicas) async throws -> StartedClients {
        try await StartedClients(strategy, ModelGraph(GatherNetwork()), rows: rows.get(), cluster: cluster.spec)
    }
    /// The count of the tokens that worker 1 has given to worker 0, in the graph of worker 0.
    private func tokens(of clients: StartedClients) async throws -> [String] {
        let counts = try await clients.addCounts(0) { ($0.attributes.string("shared_name") ?? "").hasPrefix("async/lead/1_0") ? "QueueSizeV2" : nil }
        try #require(counts.count == 1)
        return counts
    }
    private func options(_ strategy: any Strategy, steps: Int) throws -> TrainingOptions {
        let table = try Table.iris()
        return try TrainingOptions(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3), table: table, strategy: strategy, stepCount: steps)
    }

    @Test("a worker waits when it is too far ahead, until the slowest has done a step", arguments: [0, 1, 3])
    func waits(_ lead: Int) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            let clients = try await clients(cluster, AsynchronousReplicas(maximumLead: lead))
            let tokens = try await tokens(of: clients)
            for done in 0...lead {
                #expect(try await clients.counts(0, tokens) == [lead + 1 - done])
                try await clients.step(0)
            }
            // The next step finds no token until the slow worker gives one.
            #expect(try await clients.counts(0, tokens) == [0])
            async let waiting = clients.step(0)
            let slow = try await clients.step(1)
            #expect(slow.count == lead + 2 && slow.read == lead + 1, "nobody updates while the slow worker is the only one that may")
            #expect(try await waiting.count == lead + 3)
            try await clients.close()
        }
    }

    @Test("evaluations take no tokens and wait for none")
    func evaluation() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let clients = try await clients(cluster, AsynchronousReplicas(maximumLead: 1))
            let tokens = try await tokens(of: clients)
            for done in 0..<2 {
                for _ in 0..<4 { #expect(try await clients.loops[0].metrics(rows.get())["accuracy"] != nil) }
                #expect(try await clients.counts(0, tokens) == [2 - done])
                try await clients.step(0)
            }
            #expect(try await clients.counts(0, tokens) == [0])
            #expect(try await clients.loops[0].metrics(rows.get())["accuracy"] != nil)
            #expect(try await clients.counts(0, tokens) == [0])
            try await clients.close()
        }
    }

    @Test("nobody waits for a worker that has left or was lost", arguments: [true, false])
    func ended(_ leaves: Bool) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            let clients = try await clients(cluster, AsynchronousReplicas(maximumLead: 0))
            try await clients.step(0)
            // It waits for workers 1 and 2, of which one does a step, and the other one ends.
            async let waiting = clients.step(0)
            try await clients.step(1)
            let gates = try #require(leaves ? clients.loops[2].client.gates?.leave : clients.loops[0].client.gates?.open[2])
            try await clients.loops[leaves ? 2 : 0].session.run(gates)
            _ = try await waiting
            if let open = leaves ? nil : clients.loops[1].client.gates?.open[2] { try await clients.loops[1].session.run(open) }
            for _ in 0..<5 {
                async let first = clients.step(0)
                async let second = clients.step(1)
                _ = try await (first, second)
            }
            try await clients.close()
        }
    }

    @Test("the staleness of a training stays within the bound, and is 0 with one worker", arguments: [(3, 0), (3, 2), (1, 0)])
    func bound(_ workers: Int, _ lead: Int) async throws {
        try await TestCluster.with([("ps", 2), ("worker", workers)]) { cluster in
            let report = try await Trainer(options(AsynchronousReplicas(maximumLead: lead), steps: 90), cluster: cluster.spec).run()
            #expect(report.staleness.values.reduce(0, +) == report.updatesByWorker.reduce(0, +))
            #expect((report.staleness.keys.max() ?? .max) <= (workers - 1) * (2 * lead + 1), "\(report.staleness)")
            #expect((report.updatesByWorker.max() ?? 0) - (report.updatesByWorker.min() ?? 0) <= lead + 2, "\(report.updatesByWorker)")
        }
    }

    @Test("training with a bound goes on when a worker is lost")
    func lostWorker() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            let leaving = Mutex<Task<Void, Never>?>(nil)
            let trainer = Trainer(try options(AsynchronousReplicas(maximumLead: 1), steps: 200), cluster: cluster.spec) { event in
                guard case .step(let step) = event, step.step >= 10 else { return }
                leaving.withLock { leaving in
                    if leaving == nil { leaving = Task { await (try? cluster.server("worker", 2))?.stop() } }
                }
            }
            let report = try await trainer.run()
            #expect(report.updatesByWorker[0] > report.updatesByWorker[2] + 2, "\(report.updatesByWorker)")
            await leaving.withLock { $0 }?.value
        }
    }

    @Test("a lead below 0 is refused before anything starts")
    func wrongLead() async throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]])
        let error = await #expect(throws: Status.self) {
            try await Trainer(options(AsynchronousReplicas(maximumLead: -1), steps: 1), cluster: cluster).run()
        }
        #expect(error?.code == .invalidArgument && error?.message.contains("found -1") == true)
    }

    @Test("the number of updates is read before any variable")
    func readOrder() throws {
        let cluster = try ClusterSpec(["ps": ["a:1", "b:1"], "worker": ["c:1", "d:1"]])
        let setting = TrainingSetting(cluster: cluster, optimizer: GradientDescent(learningRate: 1), batchSize: 1)
        let client = try AsynchronousReplicas().plan(ModelGraph(GatherNetwork()), setting).clients[0]
        let graph = client.graph
        let count = try #require(client.readCount).operation.id
        let loss = graph.ancestors(of: [client.shards[0].loss.operation.id])
        let reads = graph.nodes.indices.filter { loss[$0] && $0 != count && [.read, .gather].contains(graph.nodes[$0].op.variableUse) }
        #expect(reads.count == 2 && reads.allSatisfy { graph.nodes[$0].controlInputs.contains(count) })
    }

    @Test("statistics of counts are those of the values")
    func statistics() {
        let (counted, listed) = (SampleStatistics(counts: [0: 2, 3: 1, 5: 3]), SampleStatistics([0, 0, 3, 5, 5, 5]))
        #expect(counted.mean == listed.mean && counted.greatest == 5 && counted.least == 0)
        #expect(abs(counted.deviation - listed.deviation) < 1e-12)
        #expect(SampleStatistics(counts: [:]).greatest == 0)
    }
}
