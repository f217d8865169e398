import ArgumentParser
import Weir

/// The options of strategies: how each splits the work.
struct SplitOptions: ParsableArguments {
    @Option(parsing: .unconditional, help: "Sync: gradients to wait for before an update; the other workers are backups.") var required: Int?
    @Option(parsing: .unconditional, help: "Async: steps that a worker may be ahead of the slowest. Default: any number.") var maxLead: Int?
    @Option(help: "How variables are spread over parameter servers: roundrobin or bytes.") var balance = "roundrobin"
    @Option(help: "Cut variables into parts of at most this many bytes, which lie on different parameter servers.") var partBytes: Int?
    @Option(
        parsing: .unconditional,
        help: "In-graph, allreduce, hybrid: batches of a step, by all devices together; the same number gives the same bits.") var shards: Int?
    @Option(parsing: .unconditional, help: "Allreduce, hybrid: bytes of gradients that are sent together.") var bucketBytes = 4 << 20
    @Option(
        help: ArgumentHelp(
            "Allreduce: how each worker splits its work over its own devices: layers, pipeline, pipelines, tensor or mesh.", valueName: "NAME"))
    var workerStrategy: String?
    @OptionGroup var stages: StageOptions
    @OptionGroup var mesh: MeshOptions

    func validate() throws {
        try require("--required", required, in: 1...OptionRange.task.upperBound)
        try require("--max-lead", maxLead, in: 0...1_000_000)
        try require("--part-bytes", partBytes, in: 1...Int.max)
        try require("--shards", shards, in: 1...4096)
        try require("--bucket-bytes", bucketBytes, in: 1...Int.max)
    }

    /// Checks that each option that only one strategy has is for one of these.
    /// - Throws: `invalidArgument` when an option has no effect.
    func check(for strategies: [String]) throws(Status) {
        let needed: [(option: String, isGiven: Bool, strategies: [String])] = [
            ("--required", required != nil, ["sync"]), ("--max-lead", maxLead != nil, ["async"]),
            ("--shards", shards != nil, ["in-graph", "allreduce", "hybrid"]), ("--worker-strategy", workerStrategy != nil, ["allreduce"]),
            ("--mesh", mesh.mesh != nil && workerStrategy != "mesh", ["mesh"]),
        ]
        for entry in needed where entry.isGiven && Set(strategies).isDisjoint(with: entry.strategies) {
            throw .invalidArgument(
                "\(entry.option) needs strategy \(entry.strategies.joined(separator: " or ")), found \(strategies.joined(separator: ", "))")
        }
        if shards != nil, workerStrategy != nil {
            throw .invalidArgument("--shards counts copies of the whole model, which --worker-strategy splits; expected one of the two")
        }
    }

    /// The names of all strategies.
    static let names = ["single", "layers", "pipeline", "pipelines", "tensor", "mesh", "in-graph", "async", "sync", "allreduce", "hybrid"]

    /// The strategy of a name, with these options.
    /// - Parameters:
    ///   - ledger: whether `sync` keeps a ledger.
    ///   - option: the option that has the name, for the error.
    func strategy(_ name: String, ledger: Bool = false, option: String = "--strategy") throws(Status) -> any Strategy {
        if let staged = try stages.strategy(name) { return staged }
        if let divided = try mesh.strategy(name) { return divided }
        return switch name {
        case "single": SingleDevice()
        case "in-graph": InGraphReplication(shards: shards)
        case "async": AsynchronousReplicas(maximumLead: maxLead)
        case "sync": SynchronousReplicas(required: required, ledger: ledger)
        case "allreduce": try allReduce()
        case "hybrid": HybridReplicas(shards: shards, bucketByteCount: bucketBytes)
        default: throw .invalidArgument("\(option) must be of \(SplitOptions.names.joined(separator: ", ")), found '\(name)'")
        }
    }

    /// All-reduce over the workers, of copies of the whole model or of what another strategy makes of each worker's devices.
    private func allReduce() throws(Status) -> AllReduceReplicas {
        guard let workerStrategy else { return AllReduceReplicas(shards: shards, bucketByteCount: bucketBytes) }
        if let staged = try stages.strategy(workerStrategy) { return AllReduceReplicas(of: staged, bucketByteCount: bucketBytes) }
        if let divided = try mesh.strategy(workerStrategy) { return AllReduceReplicas(of: divided, bucketByteCount: bucketBytes) }
        throw .invalidArgument("--worker-strategy must be layers, pipeline, pipelines, tensor or mesh, found '\(workerStrategy)'")
    }

    /// Sets how variables are spread over parameter servers.
    func apply(to options: inout TrainingOptions) throws(Status) {
        switch balance {
        case "roundrobin": options.balance = .roundRobin
        case "bytes": options.balance = .bytes
        default: throw .invalidArgument("--balance must be roundrobin or bytes, found '\(balance)'")
        }
        options.partitioning = partBytes.map { .bytes(maximum: $0) }
    }
}
