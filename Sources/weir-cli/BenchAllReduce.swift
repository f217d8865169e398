import ArgumentParser
import Weir

/// Measures the sum of a tensor over several processes: each has one float vector, and each gets the sum.
struct BenchAllReduce: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-allreduce",
        abstract: "Time sums of tensors over processes of this machine, as JSON lines.",
        discussion: "One step runs the sum --repeats times, one after the other, so that the time of a step's call does not count.")

    @Option(parsing: .unconditional, help: "Processes.") var workers = 2
    @Option(help: "Sizes in bytes.") var sizes = "4096,65536,1048576,16777216,67108864,268435456"
    @Option(parsing: .unconditional, help: "Seconds for each size.") var seconds = 2.0
    @Option(help: "How tasks move tensors: links, tcp or grpc.") var `protocol` = "links"

    func validate() throws {
        try require("--workers", workers, in: 1...64)
        try require("--seconds", seconds, in: 0.01...3600)
        _ = try byteCounts()
        _ = try ServerOptions.TensorTransport(option: `protocol`)
    }

    private func byteCounts() throws -> [Int] {
        try fields("--sizes", sizes).map { field in
            guard let bytes = Int(field), bytes % 4 == 0, (4...(1 << 32)).contains(bytes) else {
                throw ValidationError("--sizes must be multiples of 4 bytes up to 4 GiB, such as 4096,65536; found '\(field)'")
            }
            return bytes
        }
    }

    func run() async throws {
        let sizes = try byteCounts()
        let cluster = try LocalCluster("worker=\(workers)", serverArguments: ["--protocol", `protocol`])
        defer { cluster.end() }
        for (index, bytes) in sizes.enumerated() { try await measure(bytes, instance: 1 + index * 1000, cluster.spec) }
    }

    /// Times one size: all workers run steps at the same time, each with a session and a graph of its own.
    private func measure(_ bytes: Int, instance: Int, _ spec: ClusterSpec) async throws {
        let repeats = max(1, min(64, (1 << 24) / bytes))
        var sessions: [(session: Session, step: Operation, check: Output)] = []
        for task in 0..<workers {
            let builder = GraphBuilder()
            let (initializer, step, check) = builder.device("/job:worker/task:\(task)/cpu:0") {
                // A variable, so that the input lies in the worker's memory. Its name is new for each size.
                let input = builder.variable("input_\(bytes)") { builder.filled([bytes / 4], with: builder.scalar(Double(task + 1), .float32)) }
                let result = builder.variable("result_\(bytes)") { builder.scalar(0, .float32) }
                let keys = [workers, 1].map { builder.scalar(Double($0), .int32) }
                var last: [Operation] = []
                var sum = input.value
                for repetition in 0..<repeats {
                    sum = builder.controlDependencies(last) {
                        builder.add(
                            "CollectiveReduceV2", [input.read()] + keys + [builder.scalar(Double(instance + repetition), .int32)],
                            attributes: ["merge_op": .string("Add"), "final_op": .string("Id")])[0]
                    }
                    last = [sum.operation]
                }
                let stored = result.assign(sum.sliced(at: [bytes / 4 - 1], size: [1]).reshaped(to: []))
                return (builder.group([input.initializer, result.initializer]), stored, result.value)
            }
            guard let address = spec.address(job: "worker", task: task) else { throw Status.internalError("the cluster has no worker \(task)") }
            let configuration = SessionConfiguration(deviceFilters: ["/job:worker/task:\(task)"])
            let session = try await Session(builder.graph(), target: .address("grpc://\(address)"), configuration: configuration)
            try await session.run(initializer)
            sessions.append((session, step, check))
        }
        func stepAll() async throws -> Double {
            let start = ContinuousClock.now
            try await withThrowingTaskGroup(of: Void.self) { group in
                for entry in sessions { group.addTask { try await entry.session.run(entry.step) } }
                for try await _ in group {}
            }
            let parts = (ContinuousClock.now - start).components
            return (Double(parts.seconds) * 1e6 + Double(parts.attoseconds) * 1e-12) / Double(repeats)
        }
        _ = try await stepAll()
        _ = try await stepAll()
        var times: [Double] = []
        let start = ContinuousClock.now
        while times.count < 3 || ContinuousClock.now - start < .seconds(seconds) { times.append(try await stepAll()) }
        let expected = Float(workers * (workers + 1) / 2)
        for entry in sessions {
            let found = try await entry.session.run(entry.check).scalar(of: Float.self)
            guard found == expected else { throw Status.internalError("expected a sum of \(expected), found \(found)") }
            try await entry.session.close()
        }
        let sorted = times.sorted()
        Terminal.line(
            "{\"what\":\"allreduce\",\"workers\":\(workers),\"bytes\":\(bytes),\"p50_us\":\(fixed(sorted[sorted.count / 2], 1)),"
                + "\"min_us\":\(fixed(sorted[0], 1)),\"steps\":\(times.count),\"repeats\":\(repeats)}")
    }
}
