import ArgumentParser
import Weir

/// The options that say how the work is split.
struct StrategyOptions: ParsableArguments {
    @Option(help: "sync, async, in-graph or single.") var strategy = "single"
    @Option(parsing: .unconditional, help: "Sync: gradients to wait for before an update; the other workers are backups.") var required: Int?
    @Option(parsing: .unconditional, help: "Async: steps that a worker may be ahead of the slowest. Default: any number.") var maxLead: Int?
    @Option(help: "Sync: write which worker's gradients each update used to this file, one JSON object a line.") var ledger: String?
    @Option(parsing: .unconditional, help: "Cut variables into parts of at most this many bytes, on different parameter servers.") var partBytes: Int?
    @Option(help: "How variables are spread over parameter servers: roundrobin or bytes.") var balance = "roundrobin"

    func validate() throws {
        try require("--required", required, in: 1...OptionRange.task.upperBound)
        try require("--max-lead", maxLead, in: 0...1_000_000)
        try require("--part-bytes", partBytes, in: 1...Int.max)
        if maxLead != nil, strategy != "async" { throw ValidationError("--max-lead needs --strategy async, found \(strategy)") }
        if ledger != nil, strategy != "sync" { throw ValidationError("--ledger needs --strategy sync, found \(strategy)") }
    }

    /// The strategy.
    func named() throws -> any Strategy {
        switch strategy {
        case "single": SingleDevice()
        case "in-graph": InGraphReplication()
        case "async": AsynchronousReplicas(maximumLead: maxLead)
        case "sync": SynchronousReplicas(required: required, ledger: ledger != nil)
        default: throw Status.invalidArgument("--strategy must be one of sync, async, in-graph, single, found '\(strategy)'")
        }
    }

    /// How variables are spread over parameter servers.
    func namedBalance() throws -> ReplicaDeviceSetter.Balance {
        switch balance {
        case "roundrobin": .roundRobin
        case "bytes": .bytes
        default: throw Status.invalidArgument("--balance must be roundrobin or bytes, found '\(balance)'")
        }
    }
}
