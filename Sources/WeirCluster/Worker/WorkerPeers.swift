import Synchronization
import WeirGraph
package import WeirTensor

/// The workers of a cluster by task: the one of this process, and stubs of the others, made on first use. TensorFlow's
/// `WorkerCacheInterface`.
package final class WorkerPeers: Sendable {
    /// Makes the endpoint of a task in another process.
    package typealias Connect = @Sendable (_ task: DeviceName, _ address: String) -> any WorkerEndpoint

    /// The tasks and their addresses.
    package let cluster: ClusterSpec
    /// The name of this process's task in the cluster.
    package let task: DeviceName
    private let connect: Connect
    private struct Endpoints {
        var byTask: [String: any WorkerEndpoint] = [:]
        var isClosed = false
    }
    private let endpoints = Mutex(Endpoints())
    /// The workers by source device, as rendezvous keys name it.
    private let sources = Mutex<[Substring: any WorkerEndpoint]>([:])
    /// A limit, because a client's graph may name any number of devices. No cluster has so many.
    private static let maximumSources = 10_000
    private unowned let localWorker: Worker

    init(cluster: ClusterSpec, task: DeviceName, local localWorker: Worker, connect: @escaping Connect) {
        self.cluster = cluster
        self.task = task
        self.localWorker = localWorker
        self.connect = connect
    }

    /// Returns the worker of a task.
    /// - Throws: `invalidArgument` when the cluster has no such task; `cancelled` after `close`.
    func worker(_ name: DeviceName) throws -> any WorkerEndpoint {
        if name.isSameTask(as: task) { return localWorker }
        let key = name.taskName.description
        if let known = endpoints.withLock({ $0.byTask[key] }) { return known }
        guard let job = name.job, let index = name.task, let address = cluster.address(job: job, task: index) else {
            throw Status.invalidArgument("Task \(key) is not in the cluster, whose tasks are: \(cluster.taskNames.joined(separator: ", "))")
        }
        let made = connect(name.taskName, address)
        let kept = endpoints.withLock { endpoints -> (any WorkerEndpoint)? in
            guard !endpoints.isClosed else { return nil }
            if let known = endpoints.byTask[key] { return known }
            endpoints.byTask[key] = made
            return made
        }
        // A concurrent call was faster, or `close` was called. Nothing else would close the new link.
        if kept !== made { made.close() }
        guard let kept else { throw Status.cancelled("The session that knows task \(key) has been closed") }
        return kept
    }

    /// Returns the worker that sends the tensor of a key.
    /// - Throws: `invalidArgument` when the key is malformed, or the cluster has no such task.
    func worker(sending key: RendezvousKey) throws -> any WorkerEndpoint {
        // Steps receive from the same devices again and again, and parsing a key takes longer than sending it.
        let source = key.source
        if let known = sources.withLock({ $0[source] }) { return known }
        let found = try worker(key.fields().source)
        if found === localWorker { return found }
        sources.withLock { sources in
            // A copy, so that the cache does not keep the whole key in memory.
            if sources.count < WorkerPeers.maximumSources { sources[Substring(String(source))] = found }
        }
        return found
    }

    /// Closes the links to other tasks. Later calls of `worker` fail with `cancelled`.
    func close() {
        let closing = endpoints.withLock { endpoints in
            defer { endpoints = Endpoints(isClosed: true) }
            return Array(endpoints.byTask.values)
        }
        for worker in closing { worker.close() }
        sources.withLock { $0 = [:] }
    }

    /// Returns the peers of a session with its own cluster.
    /// - Parameter task: the name of this process's task in that cluster.
    func viewed(as cluster: ClusterSpec, task: DeviceName) -> WorkerPeers {
        WorkerPeers(cluster: cluster, task: task, local: localWorker, connect: connect)
    }
}
