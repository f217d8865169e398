import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The executors of collective operations of the sessions that know the same cluster: one for each task that leads their groups,
/// which is one in all.
///
/// Sessions share an executor, because it counts the runs of each operation by device, and the members of a group must agree on
/// the numbers: a client that opens a new session continues where its last one has ended. TensorFlow has one for each step, and
/// clients of several masters must agree on the ids of steps instead.
final class CollectiveExecutors: Sendable {
    private struct Entry: Sendable {
        let runner: CollectiveRunner
        let resolver: ClusterCollectiveResolver
    }
    private let collectives: WorkerCollectives
    private let peers: WorkerPeers
    private let devices: LocalDevices
    /// By leader.
    private let entries = Mutex<[DeviceName: Entry]>([:])

    init(_ collectives: WorkerCollectives, peers: WorkerPeers, devices: LocalDevices) {
        self.collectives = collectives
        self.peers = peers
        self.devices = devices
    }

    /// The executor of the graphs of a session.
    /// - Parameter leader: the task that the session names; empty if none.
    /// - Throws: `invalidArgument` when that is no task of the cluster.
    func executor(leader: String) throws(Status) -> any CollectiveExecutor {
        let leader = try peers.cluster.groupLeader(named: leader)
        return entries.withLock { entries in
            if let known = entries[leader] { return known.runner }
            let made = entry(leader)
            entries[leader] = made
            return made.runner
        }
    }

    private func entry(_ leader: DeviceName) -> Entry {
        let pool = devices.client.pool
        let resolver = ClusterCollectiveResolver(collectives, peers: peers, leader: leader, pool: pool) { [weak self] group, status in
            self?.entries.withLock { $0[leader] }?.runner.end(group.generation, ofGroup: group.key, status)
        }
        let runner = CollectiveRunner(
            resolver: resolver, transport: ClusterCollectiveTransport(collectives, peers: peers), pool: pool,
            incarnation: { [devices] in devices[$0]?.device.incarnation ?? 0 })
        return Entry(runner: runner, resolver: resolver)
    }

    /// Ends the operations that wait, and leaves the groups.
    func close() {
        for entry in entries.withLock({ Array($0.values) }) { entry.resolver.close() }
        collectives.leave(peers, .aborted("Task \(peers.task) has closed its session"))
    }
}
