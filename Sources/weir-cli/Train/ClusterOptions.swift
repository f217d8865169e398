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
        let isRunning = cluster.map { ClusterOptions.localJobs($0) == nil } ?? false
        if let task, !isRunning {
            throw ValidationError("--task \(task) needs --cluster with JSON or @FILE, which names a cluster that runs; found \(cluster ?? "none")")
        }
        if runName != nil, task == nil { throw ValidationError("--run-name is for a process that is just one worker's client; found no --task") }
    }

    /// The jobs of `local:JOBS`; nil for a cluster that runs.
    private static func localJobs(_ text: String) -> String? { text.hasPrefix("local:") ? String(text.dropFirst(6)) : nil }

    /// The cluster that strategies plan for. One that is to be started here is not started: nothing listens at its addresses.
    /// - Throws: `ValidationError` for a malformed cluster; the error of a file.
    func planned() throws -> ClusterSpec {
        guard let cluster else { return ClusterSpec() }
        return try ClusterOptions.localJobs(cluster).map(ClusterOptions.planned) ?? ClusterSpec(option: cluster)
    }

    /// The cluster of `local:JOBS`. Its servers are started for this training, so that a job that it does not use is a mistake.
    private static func planned(localJobs text: String) throws -> ClusterSpec {
        let spec = try ClusterSpec(localJobs: text)
        let known = ["ps", "worker"]
        if let unknown = spec.jobs.keys.sorted().first(where: { !known.contains($0) }) {
            let near = unknown.nearest(among: known).first.map { ", which may be meant to be '\($0)'" } ?? ""
            throw ValidationError("--cluster local: starts the jobs of a training, \(known.joined(separator: " and ")); found job '\(unknown)'\(near)")
        }
        return spec
    }

    /// The cluster to train on; one that was started here must be ended. Without a cluster, training is in this process.
    /// - Throws: `ValidationError` for a malformed cluster; `unavailable` when a server does not start.
    func start() throws -> (spec: ClusterSpec, local: LocalCluster?) {
        guard let cluster, let jobs = ClusterOptions.localJobs(cluster) else { return (try planned(), nil) }
        let local = try LocalCluster(jobs, serverArguments: devices.serverArguments())
        return (local.spec, local)
    }
}
