import Weir

/// Where a comparison trains: on servers that are started for each training, on a cluster that runs, or in this process.
struct ComparedPlace: Sendable {
    private enum Kind: Sendable {
        /// The jobs, such as `ps=1,worker=2`.
        case servers(String)
        case cluster(ClusterSpec)
        case process
    }
    private let kind: Kind
    /// The devices that compute, of this process or of each worker.
    let devices: DeviceCount

    /// A part of `--clusters`.
    /// - Parameter devices: those of each worker of a cluster.
    /// - Throws: `ValidationError` for any other text than `local:JOBS`, `cpu=N` and `gpu=N`.
    init(_ text: String, devices: DeviceCount) throws {
        if text.hasPrefix("local:") {
            let jobs = String(text.dropFirst(6))
            _ = try ClusterSpec(localJobs: jobs)
            kind = .servers(jobs)
            self.devices = devices
        } else {
            kind = .process
            self.devices = try DeviceCount(text, option: "A part of --clusters that is not local:JOBS")
        }
    }

    /// A cluster that runs.
    init(_ cluster: ClusterSpec, devices: DeviceCount) {
        kind = .cluster(cluster)
        self.devices = devices
    }

    /// The cluster that strategies plan for: of servers that are not started, with addresses that nothing listens at.
    /// - Throws: `resourceExhausted` when there are not enough free ports.
    func plannedCluster() throws -> ClusterSpec {
        switch kind {
        case .servers(let jobs): try ClusterSpec(localJobs: jobs)
        case .cluster(let cluster): cluster
        case .process: ClusterSpec()
        }
    }

    /// Starts the servers, if they are started for each training.
    /// - Throws: `unavailable` when a server does not start.
    func start() throws -> LocalCluster? {
        guard case .servers(let jobs) = kind else { return nil }
        return try LocalCluster(jobs, serverArguments: devices.serverArguments())
    }

    /// What a table calls it. A training without a cluster is in this process, wherever the others are.
    func label(usesCluster: Bool) -> String {
        guard usesCluster else { return "this process, \(devices.text)" }
        let jobs =
            switch kind {
            case .servers(let jobs): jobs
            case .cluster(let cluster): cluster.jobs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.count)" }.joined(separator: ",")
            case .process: "this process"
            }
        return devices.text == "cpu=1" ? jobs : "\(jobs), \(devices.text)"
    }
}
