import ArgumentParser
import Weir

/// The options that say how the work is split.
struct StrategyOptions: ParsableArguments {
    @Option(help: "single, layers, pipeline, pipelines, tensor, mesh, in-graph, async, sync or allreduce.") var strategy = "single"
    @Option(parsing: .unconditional, help: "Sync: gradients to wait for before an update; the other workers are backups.") var required: Int?
    @Option(help: "Sync: write which worker's gradients each update used to this file, one JSON object a line.") var ledger: String?
    @Option(parsing: .unconditional, help: "Async: steps that a worker may be ahead of the slowest. Default: any number.") var maxLead: Int?
    @Option(help: "How variables are spread over parameter servers: roundrobin or bytes.") var balance = "roundrobin"
    @Option(help: "Cut variables into parts of at most this many bytes, which lie on different parameter servers.") var partBytes: Int?
    @Option(parsing: .unconditional, help: "Allreduce: batches of a step, by all workers together; the same number gives the same bits.") var shards: Int?
    @Option(parsing: .unconditional, help: "Allreduce: bytes of gradients that are sent together.") var bucketBytes = 4 << 20
    @OptionGroup var stages: StageOptions
    @OptionGroup var mesh: MeshOptions

    func validate() throws {
        try require("--required", required, in: 1...OptionRange.task.upperBound)
        try require("--max-lead", maxLead, in: 0...1_000_000)
        try require("--part-bytes", partBytes, in: 1...Int.max)
        try require("--shards", shards, in: 1...4096)
        try require("--bucket-bytes", bucketBytes, in: 1...Int.max)
        let needed: [(option: String, isGiven: Bool, strategy: String)] = [
            ("--required", required != nil, "sync"), ("--ledger", ledger != nil, "sync"), ("--max-lead", maxLead != nil, "async"),
            ("--shards", shards != nil, "allreduce"), ("--mesh", mesh.mesh != nil, "mesh"),
        ]
        for entry in needed where entry.isGiven && strategy != entry.strategy {
            throw Status.invalidArgument("\(entry.option) needs --strategy \(entry.strategy), found \(strategy)")
        }
    }

    /// The names of all strategies.
    static let names = ["single", "layers", "pipeline", "pipelines", "tensor", "mesh", "in-graph", "async", "sync", "allreduce"]

    /// The strategy.
    func named() throws(Status) -> any Strategy {
        try named(strategy)
    }

    /// The strategy of a name, with these options.
    func named(_ name: String) throws(Status) -> any Strategy {
        if let staged = try stages.strategy(name) { return staged }
        if let divided = try mesh.strategy(name) { return divided }
        return switch name {
        case "single": SingleDevice()
        case "in-graph": InGraphReplication()
        case "async": AsynchronousReplicas(maximumLead: maxLead)
        case "sync": SynchronousReplicas(required: required, ledger: ledger != nil)
        case "allreduce": AllReduceReplicas(shards: shards, bucketByteCount: bucketBytes)
        default: throw .invalidArgument("--strategy must be one of \(StrategyOptions.names.joined(separator: ", ")), found '\(name)'")
        }
    }

    /// How variables are spread over parameter servers.
    func namedBalance() throws(Status) -> ReplicaDeviceSetter.Balance {
        switch balance {
        case "roundrobin": return .roundRobin
        case "bytes": return .bytes
        default: throw .invalidArgument("--balance must be roundrobin or bytes, found '\(balance)'")
        }
    }
}
