import ArgumentParser
import Weir

/// The options that name a strategy.
struct StrategyOptions: ParsableArguments {
    @Option(help: "single, layers, pipeline, pipelines, tensor, mesh, in-graph, async, sync, allreduce or hybrid.") var strategy = "single"
    @Option(help: "Sync: write which worker's gradients each update used to this file, one JSON object a line.") var ledger: String?
    @OptionGroup var split: SplitOptions

    func validate() throws {
        try split.check(for: [strategy])
        guard ledger == nil || strategy == "sync" else { throw Status.invalidArgument("--ledger needs strategy sync, found \(strategy)") }
    }

    /// The strategy.
    func named() throws(Status) -> any Strategy { try split.strategy(strategy, ledger: ledger != nil) }
}
