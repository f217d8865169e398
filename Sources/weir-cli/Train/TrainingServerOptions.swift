import ArgumentParser
import Weir

/// The options that say where several trainings run at the same time: on servers, or in this process.
struct TrainingServerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Servers, each for one training at a time: local:worker=3 starts them; JSON or @FILE names those that run.", valueName: "CLUSTER"))
    var cluster: String?
    @Option(parsing: .unconditional, help: "Without --cluster: trainings at a time in this process.") var slots: Int?

    func validate() throws {
        try require("--slots", slots, in: 1...256)
        if cluster != nil, slots != nil { throw ValidationError("--slots is for trainings in this process; found --cluster, whose servers train one each") }
    }

    /// The servers; those that were started here must be ended.
    /// - Parameter slotCount: the trainings at a time in this process where the user does not say.
    /// - Throws: `ValidationError` for a malformed cluster; `unavailable` when a server does not start.
    func start(_ devices: DeviceOptions, slotCount: Int) throws -> (servers: [SweepServer], local: LocalCluster?) {
        guard let cluster else { return ((0..<(slots ?? slotCount)).map { .slot($0) }, nil) }
        guard cluster.hasPrefix("local:") else { return (try ClusterSpec(option: cluster).tasks.map { .address($0.address) }, nil) }
        let local = try LocalCluster(String(cluster.dropFirst(6)), serverArguments: devices.serverArguments())
        return (local.spec.tasks.map { .address($0.address) }, local)
    }
}
