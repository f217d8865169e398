import Testing
import Weir
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// A classifier with a table of which it only gathers rows, two for each row of a batch, so that some are gathered more than once.
struct GatherNetwork: Classifier {
    var rowCount = 24
    /// The dimensions of a row; none for a table of numbers.
    var rowShape = [8]
    /// Whether the table is also read as a whole.
    var readsTable = false
    /// Whether rows are gathered by index vectors, for which a whole table is needed.
    var gathersByVector = false
    private var width: Int { rowShape.reduce(1, *) }

    var inputs: [ModelInput] { [ModelInput("features", .float32, [RandomNetwork.featureCount]), ModelInput("labels", .int32)] }

    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let (table, rows) = builder.nameScope("embedding") {
            let table = builder.variable("table") { builder.glorotUniform(Shape([rowCount] + rowShape), seed: 5) }
            let numbers = (inputs["features"].sliced(at: [0, 0], size: [-1, 2]) * 9).cast(to: .int32) % builder.scalar(Double(rowCount), .int32)
            guard gathersByVector else { return (table, table.handle.gatherVariable(numbers)) }
            let vectors = numbers.reshaped(to: [-1, 1])
            return (table, builder.add("ResourceGatherNd", [table.handle, vectors], attributes: ["dtype": .type(.float32)])[0])
        }
        return builder.nameScope("output") {
            let weights = builder.variable("weights") { builder.glorotUniform([2 * width, RandomNetwork.classCount], seed: 6) }
            let sum = rows.reshaped(to: [-1, 2 * width]).matMul(weights.value)
            return readsTable ? sum + (table.value * table.value).sum() : sum
        }
    }
}

/// The clients of a plan, initialized. A test runs their steps one by one.
struct StartedClients {
    let loops: [ClientLoop]
    private let rows: Table

    init(
        _ strategy: any Strategy, _ model: ModelGraph, rows: Table, cluster: ClusterSpec = ClusterSpec(),
        optimizer: any Optimizer = GradientDescent(learningRate: 0.1), partitioning: VariablePartitioning? = nil
    ) async throws {
        let setting = TrainingSetting(cluster: cluster, optimizer: optimizer, batchSize: rows.rowCount, partitioning: partitioning)
        let plan = try strategy.plan(model, setting)
        let options = TrainingOptions(model, table: rows, strategy: strategy, stepCount: 1, batchSize: rows.rowCount)
        let run = TrainingRun(plan, options, setting, train: rows, test: rows) { _ in }
        var loops: [ClientLoop] = []
        for client in plan.clients { loops.append(try await run.open(client)) }
        for loop in loops { if loop.client.worker == 0, let forget = loop.client.lifecycle.forget { try await loop.session.run(forget) } }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for loop in loops { if let initializer = loop.client.lifecycle.initializer { group.addTask { try await loop.session.run(initializer) } } }
            for try await _ in group {}
        }
        for loop in loops { try await loop.join() }
        self.loops = loops
        self.rows = rows
    }

    /// Runs one step of a client, with all rows as its batch.
    /// - Returns: the number of updates after the step, and when it read the variables if the client says so.
    @discardableResult
    func step(_ client: Int, timeout: Duration? = nil) async throws -> (count: Int, read: Int?) {
        let loop = loops[client]
        var feeds: [NamedTensor] = []
        for shard in loop.client.shards { feeds += try BatchFeeds(shard.inputs, rows).feeds(rows) }
        let fetches = [loop.client.updateCount.name] + (loop.client.readCount.map { [$0.name] } ?? [])
        var options = RunOptions()
        if let timeout { options.timeout = timeout }
        let reply = try await loop.session.run(fetches: fetches, feeds: feeds, targets: [loop.client.step.name], options: options)
        let counts = try reply.tensors.map { Int(try $0.tensor.scalar(of: Int64.self)) }
        return (counts[0], counts.count > 1 ? counts[1] : nil)
    }

    /// Adds operations to a client's graph that count what nodes hold: elements of queues, or gradients in accumulators.
    /// - Parameter op: the op that counts what a node holds; nil for a node that is not counted.
    /// - Returns: the names of the counts.
    func addCounts(_ client: Int, by op: (Node) -> String?) async throws -> [String] {
        let session = loops[client].session
        var graph = session.graph
        var names: [String] = []
        for (id, node) in graph.nodes.enumerated() {
            guard let op = op(node) else { continue }
            let count = try Node(name: "held_by/\(node.name)", op: OpRegistry.standard.require(op), inputs: [Endpoint(id)])
            try graph.add(count)
            names.append("\(count.name):0")
        }
        try await session.extend(to: graph)
        return names
    }

    /// What the counts are now, also while steps of the client wait.
    func counts(_ client: Int, _ names: [String]) async throws -> [Int] {
        try await loops[client].session.run(fetches: names).tensors.map { Int(try $0.tensor.scalar(of: Int32.self)) }
    }

    /// Runs a step of the last client as if all clients had been killed: it gives its gradients away, then waits until its time is over.
    func lateStep() async throws {
        await #expect(throws: Status.self) { try await step(loops.count - 1, timeout: .milliseconds(300)) }
        for loop in loops { try await loop.session.close() }
    }

    /// The value of a parameter, by its name in the model.
    func value(_ name: String) async throws -> [Float] {
        guard let output = loops[0].client.parameters[name] else { throw Status.notFound("no parameter '\(name)'") }
        return try await loops[0].session.run(output).array(of: Float.self)
    }

    func close() async throws {
        if let forget = loops[0].client.lifecycle.forget { try await loops[0].session.run(forget) }
        for loop in loops { try await loop.session.close() }
    }
}
