import Weir

// Measures a worker that reads a variable of 4 bytes to 1 GiB from a parameter server. Each is a process.
extension BenchGrowth {
    func measureSizes() async throws {
        let sizes = [4, 64, 1 << 10, 16 << 10, 256 << 10, 4 << 20, 64 << 20, 256 << 20, 1 << 30]
        for byteCount in try chosen(sizes) { try await measureRead(byteCount) }
    }

    /// Starts a new cluster for each size, so that the memory of one is free when the next starts.
    private func measureRead(_ byteCount: Int) async throws {
        let cluster = try LocalCluster("ps=1,worker=1")
        defer { cluster.end() }
        let builder = GraphBuilder(registry: .standard)
        let variable = builder.device("/job:ps/task:0") {
            builder.variable("v") { builder.filled(Shape(byteCount / 4), with: 3) }
        }
        // The Identity on the worker receives the whole variable. Fetching one element of it costs almost nothing.
        let element = builder.device("/job:worker/task:0") {
            builder.add("Identity", [variable.value])[0].sliced(at: [0], size: [1])
        }
        let session = try await Session(builder.graph(), target: cluster.target(job: "worker", task: 0))
        try await session.run(variable.initializer)
        let times = try await samples {
            let found = try await session.run(element).scalar(of: Float.self)
            guard found == 3 else {
                throw Status.internalError("\(byteCount) bytes: expected the element 3, found \(found)")
            }
        }
        report([
            "n": byteCount, "p50_us": times.median, "p99_us": times.quantile(0.99),
            "mb_per_s": Double(byteCount) / times.median, "steps": times.count,
        ])
        try await session.close()
    }
}
