import GRPCCore
import Logging
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// What a server may be told beyond its place in the cluster.
public struct ServerOptions: Sendable {
    /// How Weir tasks move tensors and step messages among themselves.
    public enum TensorTransport: String, Sendable {
        /// Over their own links: through shared memory on one host, over TCP to others, with gRPC for peers that have none.
        case links
        /// Over links that are TCP even on one host.
        case tcp
        /// Over gRPC always, as TensorFlow does.
        case grpc
    }
    public var runtime = RuntimeOptions()
    public var tensorTransport = TensorTransport.links
    public var transport = TransportOptions()
    /// The interface to listen on; all of them unless named.
    public var host = "0.0.0.0"
    /// Options of sessions that say nothing themselves.
    public var defaults = SessionConfiguration()
    /// How long running steps may go on once the server is asked to stop.
    public var gracePeriod: Duration = .seconds(5)
    /// How many sessions a master keeps that nobody uses: clients that end without closing theirs leave them behind.
    public var maximumSessions = 1000
    /// How many nodes the graphs of those sessions have together, the used ones among them.
    public var maximumNodeCount = 20_000_000
    public init() {}
}

/// One task of a cluster: devices, a worker, and a master, served on one port.
///
/// ```swift
/// let server = try await Server.createLocal()
/// let session = try await Session(graph, target: .server(server))
/// ```
public final class Server: Sendable {
    public let task: DeviceName
    /// Where clients reach its master: `grpc://host:port`.
    public let target: String
    public let port: Int
    public let worker: Worker
    public let master: Master
    private let listener: GRPCListener
    private let connections: GRPCConnections
    private let links: LinkListener?
    private let linkTable: LinkTable
    private let options: ServerOptions
    private let logger = Logger(label: "weir.server")

    /// Starts a server; it serves when this returns.
    ///
    /// - Throws: `unavailable` when its address cannot be listened on.
    public init(_ definition: ServerDefinition, options: ServerOptions = ServerOptions(), registry: OpRegistry) async throws(WeirTensor.Status) {
        self.options = options
        task = definition.taskName
        let connections = GRPCConnections(options: options.transport)
        self.connections = connections
        let logger = logger
        let variants = registry.variants
        let pool = ComputeDispatch.pool
        let table = LinkTable(transport: options.tensorTransport, variants: variants)
        linkTable = table
        let worker = Worker(
            cluster: definition.cluster, task: definition.taskName,
            devices: try LocalDevices(task: definition.taskName, options: options.runtime), registry: registry,
            connect: { task, address in
                let remote = RemoteWorker(
                    task: task, connection: connections[address], variants: variants, dispatch: pool,
                    whileWaiting: { logger.warning("still waiting for \(task) at \(address)") })
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

    /// A server alone in its cluster, on a free port of this machine.
    public static func createLocal(options: ServerOptions = ServerOptions(), registry: OpRegistry) async throws(WeirTensor.Status) -> Server {
        var options = options
        options.host = "127.0.0.1"
        let definition = try ServerDefinition(.cluster(ClusterSpec(["localhost": ["127.0.0.1:0"]])), job: "localhost", task: 0)
        return try await Server(definition, options: options, registry: registry)
    }

    /// How many tasks' endpoints are open, for tests of what is left behind.
    var openWorkerCount: Int { linkTable.count }

    /// Ends its links as the end of its process would, for tests.
    func breakLinks() { links?.stop() }

    /// Returns when the server has been stopped.
    public func join() async { await listener.wait() }

    /// Lets running steps end, for as long as the options allow, then closes everything. Peers that do not answer are waited
    /// for no longer than that, or half a second.
    public func stop() async {
        let end = ContinuousClock.now + options.gracePeriod.bounded
        await listener.drain(within: options.gracePeriod)
        // Their clients are told before the connections close.
        await master.closeAll(within: max(end - .now, .milliseconds(500)))
        links?.stop()
        linkTable.close()
        await listener.close()
        await Deadline.run(within: .milliseconds(500)) { [connections] in await connections.close() }
    }
}

/// Asks servers for signs of life, and what they have.
public enum ServerProbe {
    /// The devices of the one task that listens at an address.
    /// - Throws: `unavailable` when nobody answers, `deadlineExceeded` when not in time.
    public static func devices(address: String, timeout: Duration) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do { return try await RemoteWorker.probe(address: address, timeout: timeout) } catch { throw WeirTensor.Status(error) }
    }
    /// The devices of the whole cluster of a server.
    public static func clusterDevices(target: String) async throws(WeirTensor.Status) -> [DeviceAttributes] {
        do {
            let (local, remote) = try await RemoteMaster.shared(target: target).listDevices("")
            return local + remote
        } catch {
            throw WeirTensor.Status(error)
        }
    }
}
