import Testing
import Weir
import WeirGraph
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Moving averages")
struct MovingAverageTests {
    @Test("an average follows by its formula, faster in the beginning if updates count", arguments: [false, true], [false, true])
    func formula(_ countsUpdates: Bool, _ isSparse: Bool) async throws {
        let builder = GraphBuilder()
        let (table, gradient) = OptimizerCase.table(builder, .float64, isSparse: isSparse)
        let optimizer = GradientDescent(learningRate: 0.1).averaged(decay: 0.9, countsUpdates: countsUpdates)
        let update = builder.apply(optimizer, [gradient], globalStep: builder.globalStep())
        #expect(update.variables.map(\.name) == ["table/ExponentialMovingAverage"])
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        var expected = OptimizerCase.start
        for step in 0..<5 {
            try await session.run(update.operation)
            let values = try await session.run(table.value).array(of: Double.self)
            let decay = countsUpdates ? min(0.9, (1 + Double(step)) / (10 + Double(step))) : 0.9
            expected = zip(expected, values).map { $0 - (1 - decay) * ($0 - $1) }
        }
        let found = try await session.run(update.variables[0].value).array(of: Double.self)
        #expect(OptimizerCase.isClose(found, expected, 1e-12), "\(found), expected \(expected)")
    }

    @Test("a graph of one's own keeps averages of its variables")
    func byHand() async throws {
        let builder = GraphBuilder()
        let v = builder.variable("v", initial: 1.0)
        let count = builder.variable("count", initial: 0, .int64)
        let change = v.assign(builder.constant(3.0))
        let averages = ExponentialMovingAverage(decay: 0.5, countsUpdates: true).apply(to: [v], in: builder, after: [change], updateCount: count.value)
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        try await session.run(averages.operation)
        // At the beginning the decay is 1 / 10.
        #expect(try await abs(session.run(averages.variables[0].value).scalar(of: Float.self) - 2.8) < 1e-6)
        for wrong in [ExponentialMovingAverage(decay: 2), ExponentialMovingAverage(decay: 0.5, countsUpdates: true)] {
            let builder = GraphBuilder()
            _ = wrong.apply(to: [builder.variable("v", initial: 1.0)], in: builder)
            #expect(builder.failure?.code == .invalidArgument)
        }
    }

    @Test("the averages are evaluated in place of the variables, if asked for", arguments: [true, false])
    func evaluated(_ isEvaluated: Bool) async throws {
        let rows = try RandomNetwork.table(rows: 8, seed: 4)
        let model = try ModelGraph(GatherNetwork())
        // A decay of 1 leaves the averages at the initial values, so that the loss of an evaluation does not change.
        let optimizer = GradientDescent(learningRate: 0.5).averaged(decay: 1, isEvaluated: isEvaluated)
        let started = try await StartedClients(SingleDevice(), model, rows: rows, optimizer: optimizer)
        func loss() async throws -> Double {
            let loop = started.loops[0]
            let evaluation = try #require(loop.client.evaluation)
            let reply = try await loop.session.run(fetches: [evaluation.loss.name], feeds: BatchFeeds(evaluation.inputs, rows).feeds(rows))
            return try reply.tensors[0].tensor.double()
        }
        let before = try await loss()
        for _ in 0..<5 { try await started.step(0) }
        let after = try await loss()
        #expect(isEvaluated ? after == before : after < before - 0.01, "\(before), \(after)")
        try await started.close()
    }

    @Test("a report returns the averages that were evaluated, so that these are exported")
    func returned() async throws {
        let table = try Table.iris()
        func parameters(_ optimizer: any Optimizer, steps: Int) async throws -> [String: Tensor] {
            let network = DenseNetwork(inputCount: 4, hidden: [4], classCount: 3)
            var options = try TrainingOptions(network, table: table, optimizer: optimizer, stepCount: steps)
            options.returnsParameters = true
            return try await Trainer(options).run().parameters
        }
        let plain = GradientDescent(learningRate: 0.1)
        // A decay of 1 leaves the averages at the initial values, which have the same seed in all trainings.
        let first = try await parameters(plain.averaged(decay: 1), steps: 1)
        #expect(first.count == 4)
        #expect(try await parameters(plain.averaged(decay: 1), steps: 3) == first)
        #expect(try await parameters(plain, steps: 3) != first)
    }

    @Test("averages that follow at once predict what the variables do, also tables on parameter servers", arguments: [nil, VariablePartitioning.parts(2)])
    func strategies(_ partitioning: VariablePartitioning?) async throws {
        let rows = try RandomNetwork.table(rows: 8, seed: 4)
        let model = try ModelGraph(GatherNetwork())
        let optimizer = GradientDescent(learningRate: 0.5)
        try await TestCluster.with([("ps", 2), ("worker", 2)]) { cluster in
            // A decay of 0 makes the averages the variables.
            func loss(_ optimizer: any Optimizer) async throws -> Double {
                let started = try await StartedClients(
                    HybridReplicas(), model, rows: rows, cluster: cluster.spec, optimizer: optimizer, partitioning: partitioning)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    for client in started.loops.indices { group.addTask { for _ in 0..<3 { try await started.step(client) } } }
                    for try await _ in group {}
                }
                let loop = started.loops[0]
                let evaluation = try #require(loop.client.evaluation)
                let reply = try await loop.session.run(fetches: [evaluation.loss.name], feeds: BatchFeeds(evaluation.inputs, rows).feeds(rows))
                try await started.close()
                return try reply.tensors[0].tensor.double()
            }
            let (plain, averaged) = (try await loss(optimizer), try await loss(optimizer.averaged(decay: 0)))
            #expect(abs(plain - averaged) <= 1e-6 * plain, "\(plain), \(averaged)")
        }
    }
}
