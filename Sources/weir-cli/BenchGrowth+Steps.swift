import Glibc
import Weir

// Measures the memory of each process over many steps: training in this process, then a null step through a worker and a
// parameter server.
extension BenchGrowth {
    func measureSteps() async throws {
        let training = try IrisTraining()
        try await reportMemory(over: steps, of: [("in process", getpid())]) { try training.step($0) }
        try await measureServedSteps()
    }

    private func measureServedSteps() async throws {
        let cluster = try LocalCluster("ps=1,worker=1")
        defer { cluster.end() }
        let builder = GraphBuilder(registry: .standard)
        let (variable, add) = builder.device("/job:ps/task:0") { () -> (Variable, Operation) in
            let variable = builder.variable("v") { builder.filled([4], with: 0) }
            return (variable, variable.assignAdd(builder.constant(Tensor([1, 1, 1, 1] as [Float]))))
        }
        let sum = builder.device("/job:worker/task:0") {
            builder.controlDependencies([add]) { variable.read().sum() }
        }
        let session = try await Session(builder.graph(), target: cluster.target(job: "worker", task: 0))
        try await session.run(variable.initializer)
        let servers = cluster.processes.map { ($0.name, $0.pid) }
        try await reportMemory(over: steps / 10, of: [("client", getpid())] + servers) { number in
            let found = try await session.run(sum).scalar(of: Float.self)
            // A float counts exactly up to 2^24, which is 4 million steps.
            guard number > 4_000_000 || found == Float(4 * number) else {
                throw Status.internalError("a step was lost or repeated: expected \(4 * number), found \(found)")
            }
        }
        try await session.close()
    }

    /// Runs steps, numbered from 1. Prints the resident memory of the processes after 1/1000, 1/100, 1/10 and all of the steps.
    private func reportMemory(
        over count: Int, of processes: [(name: String, pid: pid_t)], _ step: (Int) async throws -> Void
    ) async throws {
        let marks = [1000, 100, 10, 1].map { count / $0 }
        var done = 0
        var watch = Stopwatch()
        for mark in marks {
            for number in (done + 1)...mark { try await step(number) }
            let mean = watch.lap() / Double(mark - done)
            for (name, pid) in processes {
                report(["kind": name, "n": mark, "rss_kb": try ProcessMemory.resident.byteCount(of: pid) / 1024, "step_us": mean])
            }
            done = mark
        }
    }
}

/// Trains the network of `weir train` on the iris data in this process.
private final class IrisTraining {
    private let session: DirectSession
    private let plan: DirectSession.Plan
    private let batches: [[Tensor]]

    init() throws {
        let table = try Table.iris()
        let builder = GraphBuilder(registry: .standard)
        let model = try ModelGraph(DenseNetwork(inputCount: table.featureCount, classCount: table.classes.count))
        let network = try model.declareVariables(in: builder)
        let replica = try model.replica(in: builder, variables: network)
        let loss = replica.loss
        let update = GradientDescent(learningRate: 0.01).minimize(loss, over: network.parameters)
        let initialize = builder.group(network.all.map(\.initializer), name: "initialize")
        session = try DirectSession(builder.graph(), registry: .standard)
        _ = try session.run(targets: [initialize.name])
        plan = try session.plan(
            feeds: ["features", "labels"].compactMap { replica.inputs[$0]?.name }, fetches: [loss.name], targets: [update.operation.name])
        batches = stride(from: 0, to: table.rowCount, by: 30).map { first in
            let rows = table.rows(Array(first..<min(first + 30, table.rowCount)))
            return [rows.featureTensor, rows.labelTensor]
        }
    }

    /// - Throws: `internalError` when the loss is not finite.
    func step(_ number: Int) throws {
        let loss = try session.run(plan, batches[number % batches.count])[0].scalar(of: Float.self)
        guard loss.isFinite else { throw Status.internalError("step \(number): expected a finite loss, found \(loss)") }
    }
}
