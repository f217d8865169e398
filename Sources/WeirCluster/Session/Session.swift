import Synchronization
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// A client's session: runs a graph, in this process or on a cluster, with the same results. TensorFlow's `tf.Session`.
///
/// ```swift
/// let session = try await Session(graph, target: "grpc://localhost:2222")
/// let loss = try await session.run(loss, feeding: [x: batch])
/// ```
/// Several threads or Swift tasks may run steps at the same time. On a cluster, variables live on the devices where they are placed.
/// All sessions of the cluster share them, until `Session.reset` or the end of the process. In process, they live as long as the
/// session's `LocalDevices`.
public final class Session: Sendable {
    /// Where steps run.
    public enum Target: Sendable, ExpressibleByStringLiteral {
        /// On the devices of this process, without messages.
        case inProcess
        /// On the cluster of a server in this process. Its master is called directly.
        case server(Server)
        /// On the cluster of the server at this address: `grpc://host:port`.
        case address(String)
        /// An address; the empty string means in process.
        public init(stringLiteral value: String) { self.init(value) }
        /// An address; the empty string means in process.
        public init(_ text: String) { self = text.isEmpty ? .inProcess : .address(text) }

        /// The address of the master; empty in process.
        package var address: String {
            switch self {
            case .inProcess: ""
            case .server(let server): server.target
            case .address(let address): address
            }
        }
    }

    private let backend: any SessionBackend
    private let currentGraph: Mutex<Graph>
    /// The address of the master; empty in process.
    private let target: String

    /// Opens a session with a graph.
    ///
    /// With a server or an address it waits until the server and every task that the session needs answer.
    /// `SessionConfiguration.deviceFilters` says which tasks these are. To end the wait, cancel the Swift task.
    /// - Parameters:
    ///   - devices: the devices of an in-process session; nil makes new ones.
    ///   - timeout: how long to wait for the server and the tasks; nil waits without a limit.
    /// - Throws: `invalidArgument` when the graph cannot be placed; `cancelled` when the Swift task is cancelled; `deadlineExceeded` when
    ///   the timeout passes, with the names of the tasks that have not answered the server; `unavailable` when the connection to the
    ///   server breaks again after several attempts.
    public init(
        _ graph: Graph, target: Target = .inProcess, configuration: SessionConfiguration = SessionConfiguration(),
        registry: OpRegistry, devices: LocalDevices? = nil, timeout: Duration? = nil
    ) async throws(Status) {
        currentGraph = Mutex(graph)
        self.target = target.address
        do {
            switch target {
            case .inProcess:
                var options = RuntimeOptions()
                options.allowsSoftPlacement = configuration.allowsSoftPlacement
                options.logsPlacement = configuration.logsPlacement
                if !configuration.optimizes { options.execution.optimizer = .none }
                backend = DirectBackend(try DirectSession(graph, registry: registry, devices: devices, options: options))
            case .server(let server):
                backend = try await MasterBackend(server.master, graph, configuration, target: server.target, timeout: timeout)
            case .address(let address):
                backend = try await MasterBackend(RemoteMaster.shared(target: address), graph, configuration, target: address, timeout: timeout)
            }
        } catch {
            throw Status(error)
        }
    }

    /// A session with a graph that `backend` has already.
    init(_ graph: Graph, backend: any SessionBackend, target: String) {
        currentGraph = Mutex(graph)
        self.target = target
        self.backend = backend
    }

    /// The graph of the session.
    public var graph: Graph { currentGraph.withLock { $0 } }

    /// Runs the part of the graph that the fetches and targets need, and returns the values of the fetches.
    ///
    /// - Parameters:
    ///   - fetches: an output, an operation, or an array or a dictionary of them. The result has the same structure.
    ///   - feeds: values that replace outputs, of placeholders or of other nodes: tensors, numbers, strings, or arrays of them.
    ///   - targets: operations to run for their effect.
    /// - Throws: the root cause of the step's failure, with the node and the task; `invalidArgument` for a value that does not fit
    ///   its output.
    public func run<F: Fetchable>(
        _ fetches: F, feeding feeds: [Output: any TensorConvertible] = [:], targets: [Operation] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> F.Fetched {
        let reply = try await run(
            fetches: fetches.fetchNames, feeds: Session.named(feeds), targets: fetches.targetNames + targets.map(\.name), options: options)
        return fetches.value(from: reply.tensors.map(\.tensor))
    }

    /// Runs the part of the graph that the fetches need, with feeds by name: `node:index`, or `node` for its first output.
    ///
    /// ```swift
    /// let values = try await session.run(["y:0"], feeding: ["x:0": [1, 2, 3]])
    /// ```
    /// - Parameters:
    ///   - fetches: a name of a tensor, an output, an operation, or an array or a dictionary of them.
    ///   - feeds: values that replace outputs. Literals take the element type of the output.
    ///   - targets: names of nodes to run for their effect.
    /// - Throws: as `run` with outputs as feeds; `notFound` for a name that the graph does not have.
    @_disfavoredOverload  // so that an empty dictionary literal is one of outputs
    public func run<F: Fetchable>(
        _ fetches: F, feeding feeds: [String: any TensorConvertible], targets: [String] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> F.Fetched {
        let graph = graph
        let named = try Session.named(feeds.map { (name: $0.key, dtype: graph.dtype(of: $0.key), value: $0.value) })
        let reply = try await run(fetches: fetches.fetchNames, feeds: named, targets: fetches.targetNames + targets, options: options)
        return fetches.value(from: reply.tensors.map(\.tensor))
    }

    /// Runs operations for their effect.
    /// - Throws: as `run` with fetches.
    public func run(_ targets: Operation..., feeding feeds: [Output: any TensorConvertible] = [:]) async throws(Status) {
        _ = try await run(fetches: [], feeds: Session.named(feeds), targets: targets.map(\.name))
    }

    /// Returns the values as tensors of their outputs' types, with the outputs' names.
    /// - Throws: `invalidArgument` for a value that does not fit its output.
    package static func named(_ feeds: [Output: any TensorConvertible]) throws(Status) -> [NamedTensor] {
        try named(feeds.map { (name: $0.key.name, dtype: $0.key.dtype, value: $0.value) })
    }

    /// Returns the values as tensors of these dtypes, with their names.
    private static func named(_ feeds: [(name: String, dtype: DType?, value: any TensorConvertible)]) throws(Status) -> [NamedTensor] {
        var result: [NamedTensor] = []
        for feed in feeds {
            do throws(Status) {
                // A tensor is not converted. If it does not fit, the step rejects it with TensorFlow's message.
                result.append(NamedTensor(feed.name, feed.value is Tensor ? try feed.value.tensor() : try feed.value.tensor(feed.dtype)))
            } catch {
                throw Status(error.code, "Feed of '\(feed.name)': \(error.message)")
            }
        }
        return result
    }

    /// Runs a step by names, as in the protocol: `node:index` for feeds and fetches, `node` for targets.
    /// - Throws: as `run` with fetches.
    public func run(
        fetches: [String] = [], feeds: [NamedTensor] = [], targets: [String] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> RunStepReply {
        // A step returns each tensor once, even if it is fetched twice.
        var unique: [String] = []
        for name in fetches where !unique.contains(name) { unique.append(name) }
        let cancellation = Cancellation()
        let request = (unique, feeds, targets, options)
        var reply: RunStepReply
        do {
            reply = try await withTaskCancellationHandler {
                try await backend.run(fetches: request.0, feeds: request.1, targets: request.2, options: request.3, cancellation)
            } onCancel: {
                cancellation.cancel()
            }
        } catch {
            throw Status(error)
        }
        let values = Dictionary(zip(unique, reply.tensors), uniquingKeysWith: { first, _ in first })
        reply.tensors = fetches.compactMap { values[$0] }
        return reply
    }

    /// Replaces the graph with a larger one that contains it. Only the new nodes are sent to a master.
    /// - Throws: `invalidArgument` when the new nodes cannot be placed; `aborted` when another extension was faster.
    public func extend(to graph: Graph) async throws(Status) {
        do { try await backend.extend(to: graph) } catch { throw Status(error) }
        currentGraph.withLock { $0 = graph }
    }

    /// Returns the devices that steps may use.
    /// - Throws: `unavailable` when the master does not respond.
    public func devices() async throws(Status) -> [DeviceAttributes] {
        do { return try await backend.devices() } catch { throw Status(error) }
    }

    /// Returns the device of each node of the graph, for a session in this process or on a server in it.
    ///
    /// A session at an address throws `unimplemented`, because TensorFlow's protocol has no such call. There, a step with
    /// `RunOptions.returnsPartitionGraphs` returns its nodes with their devices.
    /// - Throws: `unimplemented`; `aborted` when the session is closed.
    public func placement() async throws(Status) -> PlacementReport {
        do { return try await backend.placement() } catch { throw Status(error) }
    }

    /// Cancels running steps and frees the session's graphs on its tasks. Variables stay.
    /// - Throws: `unavailable` when the master does not respond.
    public func close() async throws(Status) {
        do { try await backend.close() } catch { throw Status(error) }
    }

    /// Closes all sessions of a master, and drops the variables and queues of these containers on every task that the filters
    /// allow. TensorFlow's `tf.Session.reset`.
    /// - Parameter containers: an empty array means the default container of each task, which has the name of its job.
    /// - Throws: `unavailable` when a task does not respond.
    public static func reset(target: String, containers: [String] = [], deviceFilters: [String] = []) async throws(Status) {
        do {
            try await RemoteMaster.shared(target: target).reset(containers: containers, deviceFilters: deviceFilters)
        } catch {
            throw Status(error)
        }
    }
}

extension Session: CustomStringConvertible {
    /// The target and the size of the graph: `<Session target=grpc://localhost:2222 nodes=12>`.
    public var description: String {
        "<Session \(target.isEmpty ? "in process" : "target=\(target)") nodes=\(currentGraph.withLock { $0.nodes.count })>"
    }
}

extension Graph {
    /// The element type of the tensor of this name; nil if the graph has no such tensor.
    fileprivate func dtype(of name: String) -> DType? {
        guard let reference = InputReference(name), let types = node(named: reference.node)?.outputTypes,
            types.indices.contains(reference.index)
        else { return nil }
        return types[reference.index].dtype
    }
}

/// What runs the steps of a session: the devices of this process, or a master.
protocol SessionBackend: Sendable {
    func run(
        fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions, _ cancellation: Cancellation
    ) async throws -> RunStepReply
    func extend(to graph: Graph) async throws
    func devices() async throws -> [DeviceAttributes]
    func placement() async throws -> PlacementReport
    func close() async throws
}
