import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// Replaces each parameter by its gradient.
struct KeepGradient: Optimizer {
    let name = "KeepGradient"
    func update(_ update: VariableUpdate, gradient: Output) -> Operation { update.variable.assign(gradient) }
}

/// One step of a plan on given rows, after which each parameter is its gradient.
struct OneStep {
    /// The gradient of the mean loss over all rows, by parameter.
    let gradients: [String: [Double]]
    /// The values of the variables that are not trained, as the first worker has them after the step.
    let others: [String: [Double]]
    /// The loss that the step reported: the mean of the shards' losses.
    let loss: Double

    /// Runs one step. Each client's shards take the rows in order.
    /// - Parameters:
    ///   - rows: as many as all shards of all clients take.
    ///   - beforeStep: is called when all clients are ready for the step.
    static func run(
        _ strategy: any Strategy, _ model: ModelGraph, rows: Table, batchSize: Int, cluster: ClusterSpec = ClusterSpec(),
        devices: [String] = ["/cpu:0"], localDevices: LocalDevices? = nil, partitioning: VariablePartitioning? = nil,
        beforeStep: () async throws -> Void = {}
    ) async throws -> OneStep {
        let setting = TrainingSetting(
            cluster: cluster, devices: devices, optimizer: KeepGradient(), batchSize: batchSize, partitioning: partitioning)
        let plan = try strategy.plan(model, setting)
        var options = TrainingOptions(model, table: rows, strategy: strategy, stepCount: 1, batchSize: batchSize)
        options.devices = devices
        options.localDevices = localDevices
        let run = TrainingRun(plan, options, setting, train: rows, test: rows) { _ in }
        var loops: [ClientLoop] = []
        for client in plan.clients { loops.append(try await run.open(client)) }
        for loop in loops { if loop.client.worker == 0, let forget = loop.client.lifecycle.forget { try await loop.session.run(forget) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for loop in loops { if let initializer = loop.client.lifecycle.initializer { group.addTask { try await loop.session.run(initializer) } } }
            for try await _ in group {}
        }
        for loop in loops { try await loop.join() }
        try await beforeStep()
        guard let holder = loops.first(where: { !$0.client.parameters.isEmpty }) else { throw Status.internalError("no client has the parameters") }
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
        let losses = try await withThrowingTaskGroup(of: [Double].self) { group in
            for (loop, tensors) in zip(loops, feeds) {
                group.addTask {
                    let reply = try await loop.session.run(
                        fetches: loop.client.shards.map(\.loss.name) + [loop.client.updateCount.name], feeds: tensors, targets: [loop.client.step.name])
                    return try reply.tensors.dropLast().map { try $0.tensor.double() }
                }
                if let updates = loop.client.updates {
                    group.addTask {
                        try await loop.session.run(updates.step); return []
                    }
                }
            }
            return try await group.reduce(into: []) { $0 += $1 }
        }
        let gradients = try await values(of: holder.client.parameters, holder.session)
        let chief = try #require(loops.first { $0.client.worker == 0 })
        let names = Set(model.otherVariables.map(\.name))
        let state = (chief.client.state?.variables ?? []).filter { names.contains($0.name) }
        let others = try await values(of: Dictionary(uniqueKeysWithValues: state.map { ($0.name, $0.value) }), chief.session)
        for loop in loops { if loop.client.worker == 0, let forget = loop.client.lifecycle.forget { try await loop.session.run(forget) } }
        for loop in loops { try await loop.session.close() }
        return OneStep(gradients: gradients, others: others, loss: losses.reduce(0, +) / Double(max(1, losses.count)))
    }

    private static func values(of outputs: [String: Output], _ session: Session) async throws -> [String: [Double]] {
        let names = outputs.keys.sorted()
        if names.isEmpty { return [:] }
        let reply = try await session.run(fetches: names.compactMap { outputs[$0]?.name })
        return Dictionary(
            uniqueKeysWithValues: try zip(names, reply.tensors).map { name, found in
                switch found.tensor.dtype {
                case .float64: (name, try found.tensor.array(of: Double.self))
                case .int64: (name, try found.tensor.array(of: Int64.self).map(Double.init))
                default: (name, try found.tensor.array(of: Float.self).map(Double.init))
                }
            })
    }

    /// The greatest difference of a parameter's gradients, relative to the norm of the expected gradient. One that is almost zero,
    /// such as that of a key's bias in an attention, has the rounding errors of the greater numbers that it is the sum of.
    func difference(from expected: OneStep) throws -> Double {
        try #require(Set(gradients.keys) == Set(expected.gradients.keys))
        let all = expected.gradients.values.joined().reduce(0) { $0 + $1 * $1 }.squareRoot()
        return try expected.gradients.map { name, values in
            let found = try #require(gradients[name])
            try #require(found.count == values.count, "\(name)")
            let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
            let distance = zip(found, values).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
            return distance / max(norm, 1e-3 * all)
        }.max() ?? .infinity
    }
}

/// Checks that strategies compute what one device would have computed.
enum SameGradients {
    /// - Parameter shards: the number of batches that the plan's clients take together.
    static func check(
        _ strategy: any Strategy, seed: UInt64, dtype: DType, shards: Int, batchSize: Int = 4, kinds: [RandomNetwork.Layer] = RandomNetwork.Layer.allCases,
        gathersRows: Bool = false, cluster: ClusterSpec = ClusterSpec(), devices: [String] = ["/cpu:0"], localDevices: LocalDevices? = nil,
        sourceLocation: SourceLocation = #_sourceLocation
    ) async throws {
        let model = try ModelGraph(RandomNetwork(seed: seed, dtype: dtype, kinds: kinds, gathersRows: gathersRows))
        let rows = try RandomNetwork.table(rows: shards * batchSize, seed: seed)
        let expected = try await OneStep.run(SingleDevice(), model, rows: rows, batchSize: rows.rowCount)
        let found = try await OneStep.run(
            strategy, model, rows: rows, batchSize: batchSize, cluster: cluster, devices: devices, localDevices: localDevices)
        let limit = dtype == .float64 ? 1e-12 : 1e-5
        let difference = try found.difference(from: expected)
        #expect(difference <= limit, "\(strategy.name), seed \(seed): gradients differ by \(difference)", sourceLocation: sourceLocation)
        #expect(abs(found.loss - expected.loss) <= limit * abs(expected.loss), "\(strategy.name), seed \(seed)", sourceLocation: sourceLocation)
    }
}
