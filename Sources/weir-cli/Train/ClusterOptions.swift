import ArgumentParser
import Weir

/// The options that name a cluster.
struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("local:ps=1,worker=2 starts one; JSON or @FILE names one that runs.", valueName: "CLUSTER")) var cluster: String?
    @Option(parsing: .unconditional, help: "With a cluster that runs: be just this worker's client.") var task: Int?

    func validate() throws { try require("--task", task, in: OptionRange.task) }

    /// The cluster to train on; one that was started here must be ended. Without a cluster, training is in this process.
    /// - Throws: `invalidArgument` when the strategy does not go with the cluster; `unavailable` when a server does not start.
    func start(for strategy: StrategyOptions) throws -> (spec: ClusterSpec, local: LocalCluster?) {
        guard let cluster else {
            guard strategy.strategy == "single" else {
                throw Status.invalidArgument("Strategy '\(strategy.strategy)' needs --cluster, such as local:ps=1,worker=2")
            }
            return (ClusterSpec(), nil)
        }
        guard strategy.strategy != "single" else {
            throw Status.invalidArgument("--cluster needs --strategy sync, async or in-graph; found --strategy single, which trains in this process")
        }
        guard cluster.hasPrefix("local:") else { return (try ClusterSpec(option: cluster), nil) }
        let local = try LocalCluster(String(cluster.dropFirst(6)))
        return (local.spec, local)
    }
}
