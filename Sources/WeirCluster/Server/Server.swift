import GRPCCore
import Logging
import Synchronization
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// One task of a cluster: its devices, a worker and a master, served on one port. TensorFlow's `tf.distribute.Server`.
///
/// ```swift
/// let server = try await Server.createLocal()
/// let session = try await Session(graph, target: .server(server))
/// ```
///
/// A server is a service of swift-service-lifecycle. A process that is only a server, or that has other services, runs it in a group:
///
/// ```swift
/// try await ServiceGroup(services: [server], gracefulShutdownSignals: [.sigterm], logger: logger).run()
/// ```
public final class Server: Sendable {
    /// The name of the task.
    public let task: DeviceName
    /// The target for clients of its master: `grpc://host:port`.
    public let target: String
    /// The port that it listens on.
    public let port: Int
    /// The worker service of the task.
    package let worker: Worker
    /// The master service of the task.
    package let master: Master
    private let listener: GRPCListener
    private let connections: GRPCConnections
    private let links: LinkListener?
    private let linkTable: LinkTable
    private let options: ServerOptions
    private struct Stopping {
        /// The task that stops the server; nil before the first call of `stop`.
        var task: Task<Void, Never>?
        /// When the grace period ends.
        var end: ContinuousClock.Instant?
    }
    private let stopping = Mutex(Stopping())

    /// Starts a server. It accepts calls when this returns.
    /// - Parameter devices: the devices of the server, such as those of a type of your own. The server gives them the names of its
    ///   task and resources of their own; it does not share variables with in-process sessions on the same devices. nil makes the
    ///   devices that `options.runtime` describes.
    /// - Throws: `unavailable` when it cannot listen on its address; `resourceExhausted` when the system has no threads for
    ///   simulated GPUs; `invalidArgument` when two devices get one name.
    public convenience init(
        _ definition: ServerDefinition, options: ServerOptions = ServerOptions(), registry: OpRegistry, devices: LocalDevices? = nil
    ) async throws(WeirTensor.Status) {
        try await self.init(definition, options: options, registry: registry, devices: devices, wrappers: EndpointWrappers())
    }

    /// As above, with wrappers around the endpoints.
    init(
        _ definition: ServerDefinition, options: ServerOptions, registry: OpRegistry, devices given: LocalDevices? = nil, wrappers: EndpointWrappers
    ) async throws(WeirTensor.Status) {
        self.options = options
        task = definition.taskName
        let connections = GRPCConnections(options: options.transport)
        self.connections = connections
        var taskLogger = options.logger
        taskLogger[metadataKey: "task"] = "\(definition.taskName)"
        let logger = taskLogger
        let variants = registry.variants
        let pool = StepDispatch.computePool
        let devices = try Server.devices(given, definition.taskName, options.runtime)
        let metrics = ServerMetrics(options.metrics, task: definition.taskName, devices: devices.places.map(\.device))
        let table = LinkTable(transport: options.tensorTransport, variants: variants, localTask: definition.taskName, metrics: metrics)
        linkTable = table
        let worker = Worker(
            cluster: definition.cluster, task: definition.taskName, devices: devices, registry: registry, metrics: metrics,
            groupLeader: options.defaults.collectiveGroupLeader,
            connect: { task, address in
                let remote = RemoteWorker(
                    task: task, connection: connections[address], variants: variants, dispatch: pool,
                    whileWaiting: { logger.warning("Still waiting for a task", metadata: ["peer": "\(task)", "address": "\(address)"]) })
                return wrappers.peer(table.worker(remote, task: task, address: address, connection: connections[address]))
            })
        self.worker = worker
        master = Master(
            worker: worker, registry: registry, defaults: options.defaults, maximumSessions: options.maximumSessions,
            maximumNodeCount: options.maximumNodeCount, logger: logger, metrics: metrics)
        links =
            options.tensorTransport == .grpc
            ? nil
            : try LinkListener(
                host: options.host, sharesMemory: options.tensorTransport == .links, worker: wrappers.worker(worker, .links), variants: variants,
                metrics: metrics)
        var services: [any RPCService] = [
            MasterService(master: wrappers.master(master), variants: variants, dispatch: pool),
            WorkerService(worker: wrappers.worker(worker, .grpc), variants: variants, dispatch: pool),
            CollectiveService(worker: wrappers.worker(worker, .grpc)),
        ]
        if let links { services.append(LinkService(listener: links)) }
        listener = GRPCListener(host: options.host, port: definition.port, services: services, options: options.transport, gate: worker.gate)
        do {
            port = try await listener.start()
        } catch {
            links?.stop()
            throw WeirTensor.Status(error)
        }
        target = "grpc://\(definition.host == "0.0.0.0" ? "localhost" : definition.host):\(port)"
    }

    /// Starts a server that is the only task of its cluster, on a free port of this machine.
    /// - Throws: as `init`.
    public static func createLocal(
        options: ServerOptions = ServerOptions(), registry: OpRegistry, devices: LocalDevices? = nil
    ) async throws(WeirTensor.Status) -> Server {
        var options = options
        options.host = "127.0.0.1"
        let definition = try ServerDefinition(.cluster(ClusterSpec(["localhost": ["127.0.0.1:0"]])), job: "localhost", task: 0)
        return try await Server(definition, options: options, registry: registry, devices: devices)
    }

    /// Returns the given devices under the names of a task, with resources whose default container is the job's.
    private static func devices(_ given: LocalDevices?, _ task: DeviceName, _ options: RuntimeOptions) throws(WeirTensor.Status) -> LocalDevices {
        guard let given else { return try LocalDevices(task: task, options: options) }
        let devices = given.isolated(as: task)
        var names: Set<DeviceName> = []
        for place in devices.places where !names.insert(place.device.name).inserted {
            throw .invalidArgument("Expected devices of different types or indices for \(task), found two that are named \(place.device.name)")
        }
        return devices
    }

    /// The number of open endpoints of other tasks, for tests.
    var openWorkerCount: Int { linkTable.count }

    /// Closes the links without a shutdown, as if the process had been killed. For tests.
    func breakLinks() { links?.stop() }

    /// Waits until the server is stopped.
    public func join() async {
        await listener.wait()
        await stopping.withLock { $0.task }?.value
    }

    /// Stops the server: waits for running steps for the grace period, then closes all sessions and connections. It waits for
    /// peers that do not respond until the grace period ends, but at least half a second.
    ///
    /// It may be called more than once. All calls return when the server is stopped.
    public func stop() async { await stop(within: options.gracePeriod) }

    /// Stops the server with another grace period. When it is called more than once, the first one to end counts.
    func stop(within grace: Duration) async {
        let grace = grace.bounded
        let (task, isFirst) = stopping.withLock { stopping -> (Task<Void, Never>, Bool) in
            let end = ContinuousClock.now + grace
            stopping.end = min(stopping.end ?? end, end)
            if let task = stopping.task { return (task, false) }
            // A task of its own, so that cancelling a caller does not cancel the requests to other tasks.
            let task = Task.detached { await self.shutDown(within: grace) }
            stopping.task = task
            return (task, true)
        }
        if !isFirst { await worker.gate.close(within: grace) }
        await task.value
    }

    private func shutDown(within grace: Duration) async {
        await worker.gate.close(within: grace)
        // Before the calls of other tasks are cancelled, so that the members of groups learn why they end.
        worker.collectives.close(.unavailable("Task \(task) has shut down"))
        await listener.drain(within: grace)
        let end = stopping.withLock { $0.end } ?? .now
        // First, so that clients with running steps get a status before their connections close.
        await master.closeAll(within: max(end - .now, .milliseconds(500)))
        links?.stop()
        linkTable.close()
        await listener.close()
        await Deadline.run(within: .milliseconds(500)) { [connections] in await connections.close() }
    }
}

extension Server: CustomStringConvertible {
    /// The task and its target: `<Server /job:ps/replica:0/task:0 target=grpc://localhost:2222>`.
    public var description: String { "<Server \(task) target=\(target)>" }
}

/// Requests to a server without a session: whether it responds, and which devices it has.
public enum ServerProbe {
    /// Returns the devices of the task at an address.
    /// - Throws: `unavailable` when no task listens there; `deadlineExceeded` when it does not respond in time.
    public static func devices(address: String, timeout: Duration) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do { return try await RemoteWorker.probe(address: address, timeout: timeout) } catch { throw WeirTensor.Status(error) }
    }
    /// Returns the devices of all tasks of a server's cluster, those of the server first.
    ///
    /// Waits until the server can be reached and all other tasks of its cluster answer it.
    /// - Parameter timeout: how long to wait; nil waits without a limit.
    /// - Throws: `deadlineExceeded` with the address when the timeout passes; `unavailable` when the connection to the server breaks
    ///   again after several attempts.
    public static func clusterDevices(target: String, timeout: Duration? = nil) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do {
            let (local, remote) = try await RemoteMaster.shared(target: target).listDevices("", timeout: timeout)
            return local + remote
        } catch {
            let status = WeirTensor.Status(error)
            guard status.code == .deadlineExceeded, let timeout else { throw status }
            throw .deadlineExceeded(
                "Expected the devices of the cluster from \(target) within \(timeout), found no answer: "
                    + "the server cannot be reached, or another task of its cluster does not answer it")
        }
    }
}
