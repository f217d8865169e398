import Synchronization
public import WeirGraph
public import WeirTensor

/// The workers of a cluster by task: the one of this process, and stubs of the others, made when first asked for.
public final class WorkerPeers: Sendable {
    /// Makes the endpoint of a task in another process.
    public typealias Connect = @Sendable (_ task: DeviceName, _ address: String) -> any WorkerEndpoint

    public let cluster: ClusterSpec
    public let task: DeviceName
    private let connect: Connect
    private struct Endpoints {
        var byTask: [String: any WorkerEndpoint] = [:]
        var areClosed = false
    }
    private let endpoints = Mutex(Endpoints())
    /// By what keys call the devices of the tasks.
    private let sources = Mutex<[Substring: any WorkerEndpoint]>([:])
    /// More than any cluster has; a client's graph may name devices without end.
    private static let maximumSources = 10_000
    private unowned let own: Worker

    init(cluster: ClusterSpec, task: DeviceName, own: Worker, connect: @escaping Connect) {
        self.cluster = cluster
        self.task = task
        self.own = own
        self.connect = connect
    }

    /// The worker of a task.
    /// - Throws: `invalidArgument` when the cluster has no such task.
    func worker(_ name: DeviceName) throws -> any WorkerEndpoint {
        if name.isSameTask(as: task) { return own }
        let key = name.taskName.description
        if let known = endpoints.withLock({ $0.byTask[key] }) { return known }
        guard let job = name.job, let index = name.task, let address = cluster.address(job: job, task: index) else {
            throw Status.invalidArgument("Task \(key) is not in the cluster, whose tasks are: \(cluster.taskNames.joined(separator: ", "))")
        }
        let made = connect(name.taskName, address)
        let kept = endpoints.withLock { endpoints -> (any WorkerEndpoint)? in
            guard !endpoints.areClosed else { return nil }
            if let known = endpoints.byTask[key] { return known }
            endpoints.byTask[key] = made
            return made
        }
        // Another was faster, or the session has ended: what nobody keeps nobody would close.
        if kept !== made { (made as? LinkWorker)?.close() }
        guard let kept else { throw Status.cancelled("The session that knows task \(key) has been closed") }
        return kept
    }

    /// The worker that has the tensor of a key.
    /// - Throws: `invalidArgument` when the key is malformed, or the cluster has no such task.
    func worker(sending key: RendezvousKey) throws -> any WorkerEndpoint {
        // A step asks for the same devices' tensors again and again, and parsing a key takes longer than sending it.
        let source = key.source
        if let known = sources.withLock({ $0[source] }) { return known }
        let found = try worker(key.fields().source)
        if found === own { return found }
        sources.withLock { sources in
            // The key's own text is not kept for it.
            if sources.count < WorkerPeers.maximumSources { sources[Substring(String(source))] = found }
        }
        return found
    }

    /// Ends what a session's own view of the cluster has opened. Not to be used afterwards.
    func close() {
        let closing = endpoints.withLock { endpoints in
            defer { endpoints = Endpoints(areClosed: true) }
            return Array(endpoints.byTask.values)
        }
        for worker in closing { (worker as? LinkWorker)?.close() }
        sources.withLock { $0 = [:] }
    }

    /// Another view of the cluster from the same process, as one session has it.
    func viewed(as cluster: ClusterSpec, task: DeviceName) -> WorkerPeers {
        WorkerPeers(cluster: cluster, task: task, own: own, connect: connect)
    }
}
