import Testing
import Weir
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Gradients of some rows", .serialized)
struct SparseGradientTests {
    private let rows = Result { try RandomNetwork.table(rows: 12, seed: 4) }

    private func sparseNames(_ network: GatherNetwork, _ partitioning: VariablePartitioning? = nil) throws -> [String] {
        let model = try ModelGraph(network)
        let builder = GraphBuilder(registry: .standard)
        let declared = try model.declareVariables(in: builder, partitioning: partitioning)
        let gradients = try model.replica(in: builder, variables: declared).gradients(with: declared)
        _ = try builder.graph()
        #expect(gradients.map(\.variable.name) == declared.parameters.map(\.name))
        return gradients.filter { if case .sparse = $0.value { true } else { false } }.map(\.variable.name)
    }

    @Test("a variable is sparse if all that the model does with it is to gather rows")
    func whichAreSparse() throws {
        #expect(try sparseNames(GatherNetwork()) == ["embedding/table"])
        #expect(try sparseNames(GatherNetwork(), .parts(2)) == ["embedding/table/part_0", "embedding/table/part_1"])
        #expect(try sparseNames(GatherNetwork(readsTable: true)).isEmpty)
        #expect(try ModelGraph(GatherNetwork()).parameters.filter(\.isGathered).map(\.name) == ["embedding/table"])
    }

    /// A table of ones, and the update of some of its rows; a row that is named twice has the sum.
    private func update(_ optimizer: any Optimizer, isSparse: Bool, times: Int = 2) async throws -> [Float] {
        let builder = GraphBuilder(registry: .standard)
        let table = builder.variable("table") { builder.filled([4, 2], with: 1) }
        let indices = builder.constant(Tensor([3, 1, 3] as [Int64])), rows = builder.constant(Tensor([1, 2, 3, 4, 5, 6] as [Float], ofShape: [3, 2]))
        let sparse = VariableGradient.sum(table, [(indices, rows)])
        let gradient = isSparse ? sparse : VariableGradient(table, .dense(sparse.dense()))
        let update = builder.apply(optimizer, [gradient])
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        for _ in 0..<times { try await session.run(update.operation) }
        return try await session.run(table.value).array(of: Float.self)
    }

    @Test("a sparse update is the dense one, if a gradient of zero changes nothing")
    func likeDense() async throws {
        let optimizers: [any Optimizer] = [GradientDescent(learningRate: 0.5), Adagrad(learningRate: 0.5), Adam(learningRate: 0.5), KeepGradient()]
        for optimizer in optimizers {
            let (sparse, dense) = (try await update(optimizer, isSparse: true), try await update(optimizer, isSparse: false))
            #expect(zip(sparse, dense).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(optimizer.name): \(sparse), \(dense)")
        }
        #expect(try await update(KeepGradient(), isSparse: true) == [0, 0, 3, 4, 0, 0, 6, 8])
        #expect(try await update(GradientDescent(learningRate: 0.5), isSparse: true, times: 1) == [1, 1, -0.5, -1, 1, 1, -2, -3])
    }

    @Test("slots that decay do so only in rows that have a gradient, as in TensorFlow")
    func decayingSlots() async throws {
        for optimizer in [Momentum(learningRate: 0.1), RMSProp(learningRate: 0.1)] as [any Optimizer] {
            let once = try await update(optimizer, isSparse: true, times: 1)
            let dense = try await update(optimizer, isSparse: false, times: 1)
            #expect(zip(once, dense).allSatisfy { abs($0 - $1) <= 1e-6 * max(1, abs($1)) }, "\(optimizer.name)")
            #expect(once[0] == 1 && once[4] == 1 && once[2] < 1)
        }
    }

    @Test("synchronous replicas take the mean over all workers' batches, also of rows that some did not gather", arguments: [[8], [], [2, 3]])
    func synchronous(_ rowShape: [Int]) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 3)]) { cluster in
            let model = try ModelGraph(GatherNetwork(rowShape: rowShape))
            let expected = try await OneStep.run(SingleDevice(), model, rows: rows.get(), batchSize: 12)
            for strategy in [SynchronousReplicas(), SynchronousReplicas(ledger: true)] {
                // Twice, so that what the first training left on the servers is there.
                for _ in 0..<2 {
                    let found = try await OneStep.run(strategy, model, rows: rows.get(), batchSize: 4, cluster: cluster.spec)
                    #expect(try found.difference(from: expected) <= 1e-5, "ledger \(strategy.ledger)")
                }
            }
        }
    }

    @Test("a gradient that a training left in an accumulator is not used by the next", .timeLimit(.minutes(1)))
    func leftover() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            let model = try ModelGraph(GatherNetwork())
            let killed = try await StartedClients(SynchronousReplicas(), model, rows: rows.get(), cluster: cluster.spec)
            let gradients = try await killed.addCounts(1) { node in
                switch node.op.name {
                case "ResourceConditionalAccumulator": "ResourceAccumulatorNumAccumulated"
                case "SparseConditionalAccumulator": "AccumulatorNumAccumulated"
                default: nil
                }
            }
            #expect(gradients.count == 2)
            // One gradient of each variable arrives; the step then waits for a token and is given up, as if its client had been killed.
            let step = Task { try await killed.step(1) }
            while try await killed.counts(1, gradients).contains(0) {}
            step.cancel()
            await #expect(throws: Status.self) { try await step.value }
            for loop in killed.loops { try await loop.session.close() }
            let expected = try await OneStep.run(SingleDevice(), model, rows: rows.get(), batchSize: 12)
            let found = try await OneStep.run(SynchronousReplicas(), model, rows: rows.get(), batchSize: 6, cluster: cluster.spec)
            #expect(try found.difference(from: expected) <= 1e-5)
        }
    }

    @Test("only rows travel: a table that grows does not change what a worker sends and receives")
    func bytes() async throws {
        try await TestCluster.with([("ps", 1), ("worker", 1)]) { cluster in
            var moved: [Int] = []
            for rowCount in [64, 4096] {
                var options = try TrainingOptions(
                    GatherNetwork(rowCount: rowCount), table: rows.get(), strategy: AsynchronousReplicas(), optimizer: GradientDescent(learningRate: 0.1),
                    stepCount: 2, batchSize: 4)
                options.foldCount = 2
                moved.append(try await Trainer(options, cluster: cluster.spec).run().bytesMoved)
            }
            // Batches may name different numbers of rows, but the larger table alone has 128 KiB.
            #expect(moved.allSatisfy { $0 > 0 && $0 < 100_000 }, "\(moved)")
        }
    }
}
