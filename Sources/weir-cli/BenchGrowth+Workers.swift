import Weir

// Measures clusters of one parameter server and 1 to 16 workers, one process each: the time to start them, and the time of a
// step on all of them.
extension BenchGrowth {
    private static let elementCount = 256

    func measureWorkers() async throws {
        for count in try chosen([1, 2, 4, 8, 16]) { try await measureCluster(workerCount: count) }
    }

    private func measureCluster(workerCount: Int) async throws {
        var watch = Stopwatch()
        let cluster = try LocalCluster("ps=1,worker=\(workerCount)")
        defer { cluster.end() }
        let start = watch.lap()
        let builder = GraphBuilder(registry: .standard)
        let (variable, total) = everyWorker(builder, workerCount)
        let session = try await Session(builder.graph(), target: cluster.target(job: "worker", task: 0))
        try await session.run(variable.initializer)
        let expected = Float(2 * BenchGrowth.elementCount * workerCount)
        func step() async throws {
            let found = try await session.run(total).scalar(of: Float.self)
            guard found == expected else {
                throw Status.internalError("\(workerCount) workers: expected the sum \(expected), found \(found)")
            }
        }
        try await step()
        let firstStep = watch.lap()
        let warm = try await samples(step)
        report([
            "n": workerCount, "start_us": start, "first_us": firstStep, "warm_us": warm.median,
            "p99_us": warm.quantile(0.99), "steps": warm.count,
        ])
        try await session.close()
    }

    /// Each worker reads a 1 KB variable from the parameter server and adds 1. The first worker sums the results.
    private func everyWorker(_ builder: GraphBuilder, _ workerCount: Int) -> (variable: Variable, total: Output) {
        let variable = builder.device("/job:ps/task:0") {
            builder.variable("v") { builder.filled(Shape(BenchGrowth.elementCount), with: 1) }
        }
        let parts = (0..<workerCount).map { task in
            builder.device("/job:worker/task:\(task)") { variable.value + 1 }
        }
        return (variable, builder.device("/job:worker/task:0") { builder.sum(parts).sum() })
    }
}
