import Synchronization
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Ledger of synchronous replicas", .serialized)
struct LedgerTests {
    /// The events of one training.
    private final class Entries: Sendable {
        private let entries = Mutex<[GradientLedger.Entry]>([])
        var all: [GradientLedger.Entry] { entries.withLock { $0 } }
        func add(_ event: TrainingEvent) { if case .updated(let entry) = event { entries.withLock { $0.append(entry) } } }
    }

    private func options(_ strategy: any Strategy, steps: Int, optimizer: any Optimizer = Momentum(learningRate: 0.01)) throws -> TrainingOptions {
        let network = DenseNetwork(inputCount: 4, hidden: [8], classCount: 3)
        return try TrainingOptions(network, table: Table.iris(), strategy: strategy, optimizer: optimizer, stepCount: steps)
    }

    /// What holds of every ledger: each variable's update used at least as many gradients as were required, and no worker's gradient
    /// was used that it did not begin.
    private func check(_ report: TrainingReport, _ entries: [GradientLedger.Entry], required: Int, steps: Int, variables: Int) throws {
        let ledger = try #require(report.ledger)
        #expect(entries.map(\.step) == Array(1...steps) && ledger.stepCount == steps && ledger.variableCount == variables)
        for entry in entries {
            #expect(entry.contributions.count == variables)
            #expect(entry.contributions.allSatisfy { $0.reduce(0, +) >= required && $0.allSatisfy { $0 >= 0 } }, "\(entry)")
        }
        for worker in ledger.used.indices {
            #expect(ledger.used[worker] == entries.reduce(0) { $0 + $1.used[worker] })
            let dropped = try #require(ledger.dropped[worker])
            #expect(dropped >= 0 && ledger.used[worker] + dropped == ledger.begun[worker], "worker \(worker): \(ledger)")
            #expect(ledger.begun[worker] >= report.updatesByWorker[worker] * variables)
        }
    }

    @Test("without backups every update uses as many gradients as there are workers, of each variable", arguments: [1, 2, 3])
    func all(_ workers: Int) async throws {
        try await TestCluster.with([("ps", 2), ("worker", workers)]) { cluster in
            let entries = Entries()
            let trainer = Trainer(try options(SynchronousReplicas(ledger: true), steps: 30), cluster: cluster.spec, onEvent: entries.add)
            let report = try await trainer.run()
            try check(report, entries.all, required: workers, steps: 30, variables: 4)
            #expect(entries.all.allSatisfy { $0.contributions.allSatisfy { $0.reduce(0, +) == workers } })
            #expect(report.ledger?.used.reduce(0, +) == 30 * 4 * workers)
        }
    }

    @Test("with backups the gradients that were late are counted as dropped")
    func backups() async throws {
        try await TestCluster.with([("ps", 2), ("worker", 3)]) { cluster in
            let entries = Entries()
            let trainer = Trainer(try options(SynchronousReplicas(required: 2, ledger: true), steps: 60), cluster: cluster.spec, onEvent: entries.add)
            try check(try await trainer.run(), entries.all, required: 2, steps: 60, variables: 4)
        }
    }

    @Test("after a worker is lost, no update uses its gradients, and the ledger still adds up", arguments: [false, true])
    func lostWorker(_ restarts: Bool) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            let entries = Entries()
            let leaving = Mutex<Task<Server?, Never>?>(nil)
            let trainer = Trainer(try options(SynchronousReplicas(required: 2, ledger: true), steps: 150), cluster: cluster.spec) { event in
                entries.add(event)
                guard case .updated(let entry) = event, entry.step >= 10 else { return }
                leaving.withLock { leaving in
                    guard leaving == nil else { return }
                    leaving = Task {
                        await (try? cluster.server("worker", 2))?.stop()
                        guard restarts else { return nil }
                        var options = ServerOptions()
                        options.host = "127.0.0.1"
                        return try? await Server(ServerDefinition(.cluster(cluster.spec), job: "worker", task: 2), options: options, registry: .standard)
                    }
                }
            }
            let report = try await trainer.run()
            try check(report, entries.all, required: 2, steps: 150, variables: 4)
            let last = entries.all.suffix(10)
            #expect(last.allSatisfy { $0.used[2] == 0 }, "\(last.map(\.used))")
            await leaving.withLock { $0 }?.value?.stop()
        }
    }

    @Test("a client of its own process knows what it began, and not what others did")
    func oneProcess() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let trainer = Trainer(try options(SynchronousReplicas(ledger: true), steps: 10), cluster: cluster.spec)
            async let second = trainer.run(asWorker: 1)
            let ledger = try #require(try await trainer.run(asWorker: 0).ledger)
            #expect(ledger.used.reduce(0, +) == 10 * 4 * 2 && ledger.dropped[0] != nil && ledger.dropped[1] == nil)
            #expect(try await second.ledger?.stepCount == 0)
        }
    }

    @Test("a ledger does not change the gradients", arguments: [DType.float32, .float64])
    func sameGradients(_ dtype: DType) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 3)]) { cluster in
            try await SameGradients.check(SynchronousReplicas(ledger: true), seed: 2, dtype: dtype, shards: 3, cluster: cluster.spec)
        }
    }

    @Test("a step of a training that was killed adds no gradient to the next training and takes none of its tokens", arguments: [false, true])
    func lateStep(_ gathersRows: Bool) async throws {
        let model = try ModelGraph(RandomNetwork(seed: 3, dtype: .float64, kinds: gathersRows ? [.embedding] : [.dense], gathersRows: gathersRows))
        let rows = try RandomNetwork.table(rows: 8, seed: 3)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: 8)
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            let strategy = SynchronousReplicas(ledger: true)
            let killed = try await StartedClients(strategy, model, rows: rows, cluster: cluster.spec)
            let found = try await OneStep.run(strategy, model, rows: rows, batchSize: 4, cluster: cluster.spec, beforeStep: killed.lateStep)
            #expect(try found.difference(from: expected) <= 1e-12)
        }
    }

    @Test("a ledger of variables in parts counts each part")
    func parts() async throws {
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            let entries = Entries()
            var options = try options(SynchronousReplicas(ledger: true), steps: 5)
            options.partitioning = .parts(2)
            let report = try await Trainer(options, cluster: cluster.spec, onEvent: entries.add).run()
            try check(report, entries.all, required: 2, steps: 5, variables: 8)
        }
    }

    @Test("a ledger that is not asked for costs nothing: no fetch, and accumulators of the variables' shapes")
    func off() throws {
        let cluster = try ClusterSpec(["ps": ["a:1"], "worker": ["b:1", "c:1"]])
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        let plan = try SynchronousReplicas().plan(model, TrainingSetting(cluster: cluster, optimizer: Momentum(learningRate: 1), batchSize: 1))
        #expect(plan.clients[0].updates?.contributions == nil)
        let shapes = plan.clients[0].graph.nodes.filter { $0.op.name == "ResourceConditionalAccumulator" }.compactMap { $0.attributes.shape("shape") }
        #expect(Set(shapes) == Set(model.parameters.map { PartialShape($0.shape) }))
    }

    @Test("updates overlap if the optimizer uses no variable before the gradients are there")
    func overlap() throws {
        let cluster = try ClusterSpec(["ps": ["a:1"], "worker": ["b:1", "c:1"]])
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        func inFlight(_ optimizer: any Optimizer) throws -> Int? {
            try SynchronousReplicas().plan(model, TrainingSetting(cluster: cluster, optimizer: optimizer, batchSize: 1)).clients[0].updates?.inFlight
        }
        #expect(try inFlight(Momentum(learningRate: 1)) == 2 && inFlight(GradientDescent(learningRate: 1)) == 2)
        #expect(try inFlight(Adam()) == 1)
    }

    @Test("contributions of another form are refused")
    func malformed() {
        let error = #expect(throws: Status.self) { try GradientLedger.Entry(step: 1, Tensor([Float(1)])) }
        #expect(error?.code == .invalidArgument)
    }
}
