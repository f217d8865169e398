import ArgumentParser
import Weir

/// The options that name a cluster.
struct ClusterOptions: ParsableArguments {
    @Option(help: ArgumentHelp("local:ps=1,worker=2 starts one; JSON or @FILE names one that runs.", valueName: "CLUSTER")) var cluster: String?
    @Option(parsing: .unconditional, help: "With a cluster that runs: be just this worker's client.") var task: Int?
    @Option(help: "With --task: a name that the training's processes have in common, where others with the same options use the cluster.")
    var runName: String?
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Seconds that training waits at its start for servers that do not answer (default: 60).", valueName: "SECONDS"))
    var wait: Double?
    @OptionGroup var devices: DeviceOptions

    func validate() throws {
        try require("--task", task, in: OptionRange.task)
        try require("--wait", wait, in: OptionRange.wait)
        if wait != nil, cluster == nil { throw ValidationError("--wait is for the servers of a cluster; found no --cluster") }
        if runName != nil, task == nil { throw ValidationError("--run-name is for a process that is just one worker's client; found no --task") }
    }

    /// The cluster to train on; one that was started here must be ended. Without a cluster, training is in this process.
    /// - Throws: `invalidArgument` for a malformed cluster, or one for a training in this process; `unavailable` when a server does
    ///   not start.
    func start(for strategy: any Strategy) throws -> (spec: ClusterSpec, local: LocalCluster?) {
        guard let cluster else { return (ClusterSpec(), nil) }
        guard !(strategy is SingleDevice) else {
            throw Status.invalidArgument("--cluster needs a strategy that splits the work; found --strategy \(strategy.name), which trains in this process")
        }
        guard cluster.hasPrefix("local:") else { return (try ClusterSpec(option: cluster), nil) }
        let local = try LocalCluster(String(cluster.dropFirst(6)), serverArguments: devices.serverArguments())
        return (local.spec, local)
    }
}
