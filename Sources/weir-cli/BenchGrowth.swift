import ArgumentParser
import Weir

/// Measures how cost grows: each series is one kind of work at growing sizes.
struct BenchGrowth: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-growth",
        abstract: "Time one kind of work at growing sizes, as JSON lines.",
        discussion: """
            nodes: graphs of 10 to 100,000 nodes, in this process. workers: clusters of 1 to 16 on this machine. \
            sizes: 4 bytes to 1 GiB read from a parameter server. clients: 1 to 64 at once on one server. steps: the \
            memory of each process over 1,000,000 steps.
            """)

    /// What grows in a series.
    enum Series: String, CaseIterable, ExpressibleByArgument {
        case nodes, workers, sizes, clients, steps
    }

    @Argument(help: "nodes, workers, sizes, clients or steps.") var what: Series
    @Option(parsing: .unconditional, help: "Leave out sizes above this: nodes, workers, bytes or clients.") var largest: Int?
    @Option(parsing: .unconditional, help: "Seconds to measure each size for.") var seconds = 1.0
    @Option(help: "Steps in this process; a tenth of them go through servers.") var steps = 1_000_000

    func validate() throws {
        try require("--largest", largest, in: 1...Int(Int32.max))
        try require("--seconds", seconds, in: OptionRange.seconds)
        // Fewer steps say nothing about the growth of memory.
        try require("--steps", steps, in: 10_000...OptionRange.steps.upperBound)
    }

    func run() async throws {
        switch what {
        case .nodes: try await measureNodes()
        case .workers: try await measureWorkers()
        case .sizes: try await measureSizes()
        case .clients: try await measureClients()
        case .steps: try await measureSteps()
        }
    }

    /// The sizes up to `--largest`.
    /// - Throws: `ValidationError` when none is left.
    func chosen(_ sizes: [Int]) throws -> [Int] {
        let chosen = sizes.filter { $0 <= largest ?? .max }
        guard !chosen.isEmpty else {
            throw ValidationError(
                "--largest must be at least \(sizes.min() ?? 0) for \(what.rawValue), found \(largest ?? 0)")
        }
        return chosen
    }
}

extension LocalCluster {
    /// The session target that makes the server of a task the master.
    /// - Throws: `notFound` when there is no such task.
    func target(job: String, task: Int) throws -> Session.Target {
        guard let address = spec.address(job: job, task: task) else {
            let names = spec.taskNames.joined(separator: ", ")
            throw Status.notFound("expected a task /job:\(job)/task:\(task) in the cluster, found \(names)")
        }
        return .address("grpc://\(address)")
    }
}
