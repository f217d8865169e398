import GRPCCore
import Logging
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// The options of a server.
public struct ServerOptions: Sendable {
    /// How Weir tasks exchange tensors and the messages of steps.
    public enum TensorTransport: String, Sendable {
        /// Over links: through shared memory on the same host, and over TCP to other hosts. Peers without links get gRPC.
        case links
        /// Over links that use TCP even on the same host.
        case tcp
        /// Always over gRPC, as in TensorFlow.
        case grpc
    }
    /// The devices and the execution of graphs.
    public var runtime: RuntimeOptions
    /// How tensors are sent to other tasks.
    public var tensorTransport: TensorTransport
    /// The options of gRPC connections.
    public var transport = TransportOptions()
    /// The address of the interface to listen on. The default is all interfaces.
    public var host: String
    /// The options of sessions whose clients give none.
    public var defaults: SessionConfiguration
    /// How long a stopping server waits for running steps.
    public var gracePeriod: Duration
    /// The maximum number of sessions. Clients may leave sessions open. The least recently used ones without a running step are
    /// evicted.
    public var maximumSessions = 1000
    /// The maximum number of nodes of all sessions together. Above it, sessions are evicted too.
    public var maximumNodeCount = 20_000_000
    /// Makes the options of a server. The others have default values, and can be set later.
    public init(
        host: String = "0.0.0.0", runtime: RuntimeOptions = RuntimeOptions(), tensorTransport: TensorTransport = .links,
        defaults: SessionConfiguration = SessionConfiguration(), gracePeriod: Duration = .seconds(5)
    ) {
        self.host = host
        self.runtime = runtime
        self.tensorTransport = tensorTransport
        self.defaults = defaults
        self.gracePeriod = gracePeriod
    }
}

/// One task of a cluster: its devices, a worker and a master, served on one port. TensorFlow's `tf.distribute.Server`.
///
/// ```swift
/// let server = try await Server.createLocal()
/// let session = try await Session(graph, target: .server(server))
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

    /// Starts a server. It accepts calls when this returns.
    /// - Throws: `unavailable` when it cannot listen on its address; `resourceExhausted` when the system has no threads for
    ///   simulated GPUs.
    public init(_ definition: ServerDefinition, options: ServerOptions = ServerOptions(), registry: OpRegistry) async throws(WeirTensor.Status) {
        self.options = options
        task = definition.taskName
        let connections = GRPCConnections(options: options.transport)
        self.connections = connections
        var taskLogger = Logger(label: "weir.server")
        taskLogger[metadataKey: "task"] = "\(definition.taskName)"
        let logger = taskLogger
        let variants = registry.variants
        let pool = StepDispatch.computePool
        let table = LinkTable(transport: options.tensorTransport, variants: variants)
        linkTable = table
        let worker = Worker(
            cluster: definition.cluster, task: definition.taskName,
            devices: try LocalDevices(task: definition.taskName, options: options.runtime), registry: registry,
            connect: { task, address in
                let remote = RemoteWorker(
                    task: task, connection: connections[address], variants: variants, dispatch: pool,
                    whileWaiting: { logger.warning("Still waiting for a task", metadata: ["peer": "\(task)", "address": "\(address)"]) })
                return table.worker(remote, task: task, address: address, connection: connections[address])
            })
        self.worker = worker
        master = Master(
            worker: worker, registry: registry, defaults: options.defaults, maximumSessions: options.maximumSessions,
            maximumNodeCount: options.maximumNodeCount, logger: logger)
        links =
            options.tensorTransport == .grpc
            ? nil
            : try LinkListener(
                host: options.host, sharesMemory: options.tensorTransport == .links, worker: worker, variants: variants)
        var services: [any RPCService] = [
            MasterService(master: master, variants: variants, dispatch: pool),
            WorkerService(worker: worker, variants: variants, dispatch: pool),
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
    public static func createLocal(options: ServerOptions = ServerOptions(), registry: OpRegistry) async throws(WeirTensor.Status) -> Server {
        var options = options
        options.host = "127.0.0.1"
        let definition = try ServerDefinition(.cluster(ClusterSpec(["localhost": ["127.0.0.1:0"]])), job: "localhost", task: 0)
        return try await Server(definition, options: options, registry: registry)
    }

    /// The number of open endpoints of other tasks, for tests.
    var openWorkerCount: Int { linkTable.count }

    /// Closes the links without a shutdown, as if the process had been killed. For tests.
    func breakLinks() { links?.stop() }

    /// Waits until the server is stopped.
    public func join() async { await listener.wait() }

    /// Stops the server: waits for running steps for the grace period, then closes all sessions and connections. It waits for
    /// peers that do not respond until the grace period ends, but at least half a second.
    public func stop() async {
        let end = ContinuousClock.now + options.gracePeriod.bounded
        await listener.drain(within: options.gracePeriod)
        // First, so that clients with running steps get a status before their connections close.
        await master.closeAll(within: max(end - .now, .milliseconds(500)))
        links?.stop()
        linkTable.close()
        await listener.close()
        await Deadline.run(within: .milliseconds(500)) { [connections] in await connections.close() }
    }
}

/// Requests to a server without a session: whether it responds, and which devices it has.
public enum ServerProbe {
    /// Returns the devices of the task at an address.
    /// - Throws: `unavailable` when no task listens there; `deadlineExceeded` when it does not respond in time.
    public static func devices(address: String, timeout: Duration) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do { return try await RemoteWorker.probe(address: address, timeout: timeout) } catch { throw WeirTensor.Status(error) }
    }
    /// Returns the devices of all tasks of a server's cluster, those of the server first.
    /// - Throws: `unavailable` when the server cannot be reached.
    public static func clusterDevices(target: String) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do {
            let (local, remote) = try await RemoteMaster.shared(target: target).listDevices("")
            return local + remote
        } catch {
            throw WeirTensor.Status(error)
        }
    }
}
