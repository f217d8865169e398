import Testing
import Weir
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirTesting

@testable import WeirTrain

/// Schedules, clipping and norms of whole variables need what a strategy has spread over devices. Each strategy's updates are those of one
/// device.
@Suite("Updates of strategies", .serialized)
struct StrategyUpdateTests {
    private static func schedule(_ rate: Double) -> LearningRate {
        LearningRate(LinearWarmup(steps: 2, from: rate / 10, to: LearningRate(CosineDecay(rate, steps: 6, alpha: 0.1))))
    }
    /// Each changes what the other leaves: momentum keeps gradients of all sizes, LAMB keeps directions only.
    private static let optimizers: [any Optimizer] = [
        Momentum(learningRate: schedule(1), momentum: 0.8).clipped(.globalNorm(0.05)),
        LAMB(learningRate: schedule(0.05), epsilon: 1e-3, weightDecay: 0.01).clipped(.norm(0.02)).averaged(decay: 0.5, countsUpdates: true),
        Lion(learningRate: 0.01).decayed(0.1).clipped(.value(-0.01, 0.01)),
    ]
    private static let momentum = optimizers[0]

    /// The parameters after four steps in which each shard takes the next rows.
    private func parameters(
        _ strategy: any Strategy, _ model: ModelGraph, rows: Table, batchSize: Int, optimizer: any Optimizer, cluster: ClusterSpec = ClusterSpec(),
        devices: Int = 1, partitioning: VariablePartitioning? = nil
    ) async throws -> [String: [Double]] {
        let setting = TrainingSetting(
            cluster: cluster, devices: (0..<devices).map { "/cpu:\($0)" }, optimizer: optimizer, batchSize: batchSize, partitioning: partitioning)
        let plan = try strategy.plan(model, setting)
        var options = TrainingOptions(model, table: rows, strategy: strategy, stepCount: 4, batchSize: batchSize)
        options.devices = setting.devices
        options.localDevices = cluster.jobs.isEmpty ? try LocalDevices(cpuCount: devices) : nil
        let run = TrainingRun(plan, options, setting, train: rows, test: rows) { _ in }
        var loops: [ClientLoop] = []
        for client in plan.clients { loops.append(try await run.open(client)) }
        for loop in loops { if loop.client.worker == 0, let forget = loop.client.lifecycle.forget { try await loop.session.run(forget) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for loop in loops { if let initializer = loop.client.lifecycle.initializer { group.addTask { try await loop.session.run(initializer) } } }
            for try await _ in group {}
        }
        for loop in loops { try await loop.join() }
        var first = 0
        var feeds: [[NamedTensor]] = []
        for loop in loops {
            var tensors: [NamedTensor] = []
            for shard in loop.client.shards {
                let count = batchSize * shard.batches
                tensors += try BatchFeeds(shard.inputs, rows).feeds(rows.rows(Array(first..<first + count)))
                first += count
            }
            feeds.append(tensors)
        }
        try #require(first == rows.rowCount, "the shards take \(first) rows")
        for _ in 0..<4 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for (loop, tensors) in zip(loops, feeds) {
                    group.addTask {
                        _ = try await loop.session.run(fetches: [loop.client.updateCount.name], feeds: tensors, targets: [loop.client.step.name])
                    }
                    if let updates = loop.client.updates { group.addTask { try await loop.session.run(updates.step) } }
                }
                for try await _ in group {}
            }
        }
        let holder = try #require(loops.first { !$0.client.parameters.isEmpty })
        let names = holder.client.parameters.keys.sorted()
        let reply = try await holder.session.run(fetches: names.compactMap { holder.client.parameters[$0]?.name })
        let values = try reply.tensors.map { found in
            found.tensor.dtype == .float64 ? try found.tensor.array(of: Double.self) : try found.tensor.array(of: Float.self).map(Double.init)
        }
        if let forget = loops[0].client.lifecycle.forget { try await loops[0].session.run(forget) }
        for loop in loops { try await loop.session.close() }
        return Dictionary(uniqueKeysWithValues: zip(names, values))
    }

    private func difference(_ found: [String: [Double]], _ expected: [String: [Double]]) throws -> Double {
        try #require(Set(found.keys) == Set(expected.keys))
        func norm(_ values: some Sequence<Double>) -> Double { values.reduce(0) { $0 + $1 * $1 }.squareRoot() }
        return expected.map { name, values in norm(zip(found[name] ?? [], values).map { $0 - $1 }) / norm(values) }.max() ?? .infinity
    }

    @Test("on devices of one process, layers and rows cut in every way", arguments: optimizers.indices)
    func devices(_ number: Int) async throws {
        let optimizer = StrategyUpdateTests.optimizers[number]
        let model = try ModelGraph(RandomNetwork(seed: 7, dtype: .float64, kinds: [.dense], layerCount: 3...3))
        let rows = try RandomNetwork.table(rows: 8, seed: 7)
        let expected = try await parameters(SingleDevice(), model, rows: rows, batchSize: 8, optimizer: optimizer)
        let unclipped = try await parameters(SingleDevice(), model, rows: rows, batchSize: 8, optimizer: GradientDescent(learningRate: 0.1))
        #expect(try difference(unclipped, expected) > 1e-4)
        let strategies: [(any Strategy, batch: Int, devices: Int)] = [
            (InGraphReplication(), 4, 2), (InGraphReplication(shards: 4), 2, 2), (LayerParallel(), 8, 3), (PipelineParallel(microBatches: 2), 8, 2),
            (DataParallelPipelines(replicas: 2, PipelineParallel(microBatches: 2)), 4, 4), (TensorParallel(), 8, 2),
            (MeshParallel(["data": 2, "model": 2]), 4, 4), (AllReduceReplicas(), 4, 2), (AllReduceReplicas(of: TensorParallel()), 8, 2),
        ]
        for (strategy, batch, devices) in strategies {
            let found = try await parameters(strategy, model, rows: rows, batchSize: batch, optimizer: optimizer, devices: devices)
            #expect(try difference(found, expected) <= 1e-9, "\(strategy.name), \(optimizer.name)")
        }
    }

    @Test("on clusters, with tables of which rows are gathered", arguments: optimizers.indices)
    func clusters(_ number: Int) async throws {
        let optimizer = StrategyUpdateTests.optimizers[number]
        let model = try ModelGraph(GatherNetwork())
        let rows = try RandomNetwork.table(rows: 12, seed: 9)
        let expected = try await parameters(SingleDevice(), model, rows: rows, batchSize: 12, optimizer: optimizer)
        // Rows decay that have a gradient, and a table that is not sparse, as in an all-reduce, has one in each row.
        let decays = number == 2
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            var strategies: [(any Strategy, VariablePartitioning?)] = [
                (SynchronousReplicas(), nil), (SynchronousReplicas(ledger: true), .parts(2)), (InGraphReplication(), .parts(2)),
                (HybridReplicas(), nil), (HybridReplicas(), .parts(2)),
            ]
            if !decays { strategies.append((AllReduceReplicas(), nil)) }
            for (strategy, partitioning) in strategies {
                let found = try await parameters(
                    strategy, model, rows: rows, batchSize: 6, optimizer: optimizer, cluster: cluster.spec, partitioning: partitioning)
                #expect(try difference(found, expected) <= 1e-5, "\(strategy.name), \(optimizer.name), parts: \(partitioning != nil)")
            }
        }
        try await TestCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            let found = try await parameters(AsynchronousReplicas(), model, rows: rows, batchSize: 12, optimizer: optimizer, cluster: cluster.spec)
            #expect(try difference(found, expected) <= 1e-5, "async, \(optimizer.name)")
        }
    }

    @Test("the chief's updates overlap, because a scheduled rate is read when it is their turn")
    func overlap() throws {
        let cluster = try ClusterSpec(["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2", "127.0.0.1:3"]])
        let model = try ModelGraph(GatherNetwork())
        for optimizer in [StrategyUpdateTests.momentum, Lion().averaged(decay: 0.9), Momentum(learningRate: 1).decayed(0.1)] as [any Optimizer] {
            let plan = try SynchronousReplicas().plan(model, TrainingSetting(cluster: cluster, optimizer: optimizer, batchSize: 1))
            #expect(plan.clients[0].updates?.inFlight == 2, "\(optimizer.name)")
        }
    }

    @Test("a sum over many devices costs each of them one number", arguments: [1, 3])
    func messages(_ servers: Int) throws {
        let ports = (1...servers + 1).map { "127.0.0.1:\($0)" }
        let cluster = try ClusterSpec(["ps": Array(ports.dropLast()), "worker": [ports[servers]]])
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8, 8], classCount: 3))
        let plan = try AsynchronousReplicas().plan(model, TrainingSetting(cluster: cluster, optimizer: StrategyUpdateTests.momentum, batchSize: 1))
        let nodes = plan.clients[0].graph.nodes
        // One norm, and one rate, whatever the number of variables.
        #expect(nodes.count { $0.name.hasPrefix("clip") && $0.op.name == "Sqrt" } == 1)
        #expect(nodes.count { $0.name.hasPrefix("learning_rate") && $0.op.variableUse == .read } == 1)
        #expect(nodes.count { $0.op.name == "L2Loss" } == 6)
    }
}
