import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor

// Training with one client: in this process, or with one graph that has a copy of the computation on each worker.
extension Trainer {
    func runInGraph() async throws -> TrainingReport {
        let workers = options.strategy == .inGraph ? workerTasks : [0]
        let board = TrainingProgress(workerCount: workers.count, onEvent: onEvent)
        let towers = try TowerGraph(self, workers: options.strategy == .inGraph ? workers : nil)
        var target = Session.Target.inProcess
        if options.strategy == .inGraph, let address = cluster.address(job: "worker", task: workers[0]) {
            target = .address("grpc://\(address)")
        }
        let waiting = reportWaitingForSession(cluster.address(job: "worker", task: workers[0]) ?? "this process")
        defer { waiting.cancel() }
        let session = try await Session(towers.graph, target: target, registry: .standard)
        defer { Task { try? await session.close() } }
        onEvent(.placed(placementText(towers.graph)))
        try await session.run(towers.initializer)
        var batches = workers.indices.map {
            Batches(train, batchSize: options.batchSize, seed: UInt64(options.seed &* 7919 &+ $0 &+ 1))
        }
        let start = ContinuousClock.now
        for step in 1...options.stepCount {
            try Task.checkCancellation()
            var feeds: [NamedTensor] = []
            for (index, tower) in towers.towers.enumerated() {
                let batch = batches[index].next()
                feeds += [NamedTensor(tower.features.name, batch.features), NamedTensor(tower.labels.name, batch.labels)]
            }
            var run = RunOptions()
            run.traces = step == 1
            let reply = try await session.run(
                fetches: towers.towers.map(\.loss.name), feeds: feeds, targets: [towers.step.name], options: run)
            if step == 1 {
                let bytes = Trainer.bytesReceived(reply.metadata)
                for index in workers.indices { board.setBytesPerStep(index, bytes / workers.count) }
            }
            for index in workers.indices {
                board.recordStep(index, globalStep: step, loss: try reply.tensors[index].tensor.scalar(of: Float.self))
            }
        }
        let elapsed = (ContinuousClock.now - start).components
        let seconds = Double(elapsed.seconds) + Double(elapsed.attoseconds) * 1e-18
        func accuracy(_ table: Table) async throws -> Double {
            guard table.rowCount > 0 else { return .nan }
            let tower = towers.towers[0]
            let value = try await session.run(tower.accuracy, feeding: [tower.features: table.featureTensor, tower.labels: table.labelTensor])
            return Double(try value.scalar(of: Float.self))
        }
        return board.report(
            stepCount: options.stepCount, seconds: seconds, required: nil, train: try await accuracy(train),
            test: try await accuracy(test), testRows: test.rowCount, placement: placement(towers.graph))
    }
}

/// The in-graph replicated graph: shared variables, a tower on each worker, and one update with the mean gradient.
struct TowerGraph: Sendable {
    struct Tower: Sendable {
        let features: Output
        let labels: Output
        let loss: Output
        let accuracy: Output
    }
    let graph: Graph
    let towers: [Tower]
    let step: Operation
    let initializer: Operation

    /// - Parameter workers: the worker tasks; nil for this process alone.
    init(_ trainer: Trainer, workers: [Int]?) throws {
        let options = trainer.options
        let table = trainer.train
        let builder = GraphBuilder(registry: .standard)
        let setter = workers.map {
            ReplicaDeviceSetter(parameterServers: trainer.parameterServerCount, worker: "/job:worker/task:\($0[0])", balance: options.balance)
        }
        func onServers<R>(_ body: () -> R) -> R { setter.map { builder.device($0.device, body) } ?? body() }
        let (globalStep, network) = onServers {
            (
                builder.variable("global_step") { builder.scalar(0, .int64) },
                DenseNetwork(
                    inputCount: table.featureCount, hidden: options.hidden, classCount: table.classes.count, seed: options.seed
                ).build(builder)
            )
        }
        var towers: [Tower] = []
        var flows: [[Output]] = []
        for worker in workers ?? [0] {
            let device = workers == nil ? nil : "/job:worker/task:\(worker)"
            builder.nameScope("tower\(worker)") {
                let build = {
                    let features = builder.add(
                        "Placeholder", name: "features", attributes: ["dtype": .type(.float32), "shape": .shape([nil, table.featureCount])])[0]
                    let labels = builder.add("Placeholder", name: "labels", attributes: ["dtype": .type(.int32), "shape": .shape([nil])])[0]
                    let logits = network.logits(features)
                    let loss = network.loss(logits, labels: labels)
                    towers.append(Tower(features: features, labels: labels, loss: loss, accuracy: network.accuracy(logits, labels: labels)))
                    flows.append(builder.gradients(of: loss, with: network.parameters))
                }
                if let device { builder.device(device, build) } else { build() }
            }
        }
        let count = Double(towers.count)
        let gradients = network.parameters.enumerated().map { index, variable in
            let parts = flows.map { $0[index] }
            if parts.count == 1 { return (variable, parts[0]) }
            let mean = builder.colocate(with: variable.handle.operation) {
                builder.add("Mul", [builder.add("AddN", parts)[0], builder.scalar(1 / count, variable.dtype)])[0]
            }
            return (variable, mean)
        }
        let update = onServers { builder.apply(options.optimizer, gradients, globalStep: globalStep) }
        initializer = builder.group(([globalStep] + network.parameters + update.variables).map(\.initializer), name: "initialize")
        step = update.operation
        self.towers = towers
        graph = try builder.graph()
    }
}
