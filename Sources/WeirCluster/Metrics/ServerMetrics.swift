package import Metrics
import Synchronization
package import WeirDevice
package import WeirTensor

/// The instruments of one server. `docs/metrics.md` describes them.
///
/// They are made with the server, except those of a peer, which are made when the first link to it opens. So a step finds its
/// instruments without a lookup.
package final class ServerMetrics: Sendable {
    /// The steps of the master's sessions.
    let steps: OutcomeMetrics
    /// How long it takes to compile a kind of step.
    let compileDuration: Timer
    /// The open sessions of the master.
    let sessions: Meter
    /// The partitions that the worker has run.
    let partitions: OutcomeMetrics
    /// The RecvTensor requests of other tasks.
    let receives: WaitMetrics
    private let queuedJobs: Meter
    private let devices: [DeviceMetrics]
    private let maker: InstrumentMaker
    private let links = Mutex<[String: LinkMetrics]>([:])
    /// The most peers with instruments of their own. A client names peers with the clusters of its sessions, and a factory keeps
    /// instruments until the process ends.
    static let maximumPeers = 1000

    /// Makes the instruments.
    /// - Parameters:
    ///   - task: the server's task, a dimension of each instrument.
    ///   - devices: the devices of the server. Only those that count their memory get instruments.
    package init(_ factory: any MetricsFactory, task: DeviceName, devices: [any Device]) {
        maker = InstrumentMaker(factory: factory, task: task)
        steps = OutcomeMetrics(maker, counter: "weir_steps_total", duration: "weir_step_duration_seconds")
        compileDuration = maker.timer("weir_step_compile_duration_seconds")
        sessions = maker.meter("weir_sessions")
        partitions = OutcomeMetrics(maker, counter: "weir_partitions_total", duration: "weir_partition_duration_seconds")
        receives = WaitMetrics(maker, waiting: "weir_receives_waiting", duration: "weir_receive_wait_seconds")
        queuedJobs = maker.meter("weir_compute_queue_jobs")
        self.devices = devices.compactMap { [maker] in DeviceMetrics(maker, $0) }
    }

    /// The instruments of no server: they record nothing.
    package static let disabled = ServerMetrics(NOOPMetricsHandler.instance, task: DeviceName(), devices: [])

    /// Records how many jobs wait for a thread of the pool and how much memory the devices use. Called when a partition ends.
    func recordLoad(of pool: ComputePool) {
        queuedJobs.set(pool.waitingJobCount)
        for device in devices { device.record() }
    }

    /// Returns the counters of the links with a peer. Called when a link opens.
    /// - Parameter peer: the peer's task; nil when the peer did not name it.
    func link(with peer: DeviceName?) -> LinkMetrics {
        links.withLock { links in
            var name = peer?.taskName.description ?? "unknown"
            if let known = links[name] { return known }
            if links.count >= ServerMetrics.maximumPeers { name = "other" }
            if let known = links[name] { return known }
            let made = LinkMetrics(maker, peer: name)
            links[name] = made
            return made
        }
    }
}
