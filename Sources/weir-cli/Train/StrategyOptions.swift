import ArgumentParser
import Weir

/// The options that say how the work is split.
struct StrategyOptions: ParsableArguments {
    @Option(help: "sync, async, in-graph or single.") var strategy = "single"
    @Option(parsing: .unconditional, help: "Sync: gradients to wait for before an update; the other workers are backups.") var required: Int?
    @Option(help: "How variables are spread over parameter servers: roundrobin or bytes.") var balance = "roundrobin"

    func validate() throws { try require("--required", required, in: 1...OptionRange.task.upperBound) }

    /// The strategy.
    func named() throws -> any Strategy {
        switch strategy {
        case "single": SingleDevice()
        case "in-graph": InGraphReplication()
        case "async": AsynchronousReplicas()
        case "sync": SynchronousReplicas(required: required)
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
