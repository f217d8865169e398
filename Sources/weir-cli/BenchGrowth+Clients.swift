import Weir

// Measures 1 to 64 concurrent sessions on one server in another process. Each runs steps of its own graph as fast as it can.
extension BenchGrowth {
    func measureClients() async throws {
        let cluster = try LocalCluster("worker=1")
        defer { cluster.end() }
        guard let address = cluster.spec.address(job: "worker", task: 0), let port = address.split(separator: ":").last
        else {
            throw Status.internalError("expected a cluster with one worker, found \(cluster.spec.json)")
        }
        for count in try chosen([1, 2, 4, 8, 16, 32, 64]) {
            try await measure("sessions", (0..<count).map { _ in address })
            // A process has one connection to each address. All addresses of 127.0.0.0/8 are this machine, so to the server,
            // sessions at different addresses are different clients.
            try await measure("clients", (0..<count).map { "127.0.0.\($0 + 1):\(port)" })
        }
    }

    private func measure(_ kind: String, _ addresses: [String]) async throws {
        var clients: [Client] = []
        for (number, address) in addresses.enumerated() { clients.append(try await Client(address, number)) }
        _ = try await run(clients, for: seconds / 5)
        var watch = Stopwatch()
        let times = try await run(clients, for: seconds)
        let elapsed = watch.lap()
        for client in clients { try await client.close() }
        report([
            "kind": kind, "n": clients.count, "p50_us": times.median, "p99_us": times.quantile(0.99),
            "steps_per_s": Double(times.count) / elapsed * 1e6, "steps": times.count,
        ])
    }

    /// Runs all clients. Returns the duration of each step in microseconds.
    private func run(_ clients: [Client], for seconds: Double) async throws -> [Double] {
        let end = ContinuousClock.now + .seconds(seconds)
        return try await withThrowingTaskGroup(of: [Double].self) { group in
            for client in clients { group.addTask { try await client.run(until: end) } }
            return try await group.reduce(into: []) { $0 += $1 }
        }
    }
}

/// A session whose graph counts its steps.
private final class Client: Sendable {
    private let session: Session
    private let total: Output
    private let elementCount = 4
    private let variable: Variable

    init(_ address: String, _ number: Int) async throws {
        let builder = GraphBuilder(registry: .standard)
        let shape = Shape(elementCount)
        variable = builder.variable("steps\(number)") { builder.filled(shape, with: 0) }
        let count = variable.assignAdd(builder.constant(Tensor([Float](repeating: 1, count: elementCount))))
        total = builder.controlDependencies([count]) { [variable] in variable.read().sum() }
        session = try await Session(builder.graph(), target: .address("grpc://\(address)"))
        try await session.run(variable.initializer)
    }

    /// Runs steps until `end`. Returns their durations in microseconds.
    /// - Throws: `internalError` when a step was lost or repeated.
    func run(until end: ContinuousClock.Instant) async throws -> [Double] {
        var times: [Double] = []
        var before: Float?
        var watch = Stopwatch()
        while times.isEmpty || ContinuousClock.now < end {
            let found = try await session.run(total).scalar(of: Float.self)
            times.append(watch.lap())
            let expected = before.map { $0 + Float(elementCount) } ?? found
            guard found == expected else {
                throw Status.internalError("a step was lost or repeated: expected \(expected), found \(found)")
            }
            before = found
        }
        return times
    }

    func close() async throws { try await session.close() }
}
