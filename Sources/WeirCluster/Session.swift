import Synchronization
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// The user's door: runs a graph, in this process or on a cluster, with the same results.
///
/// ```swift
/// let session = try await Session(graph, target: "grpc://localhost:2222")
/// let loss = try await session.run(loss, feeding: [x: batch])
/// ```
/// Any task may run steps, several at once. Variables live on the devices where they are placed, shared by all sessions
/// of a cluster, until `Session.reset` or the end of the process; in process they live as long as the session's devices.
public final class Session: Sendable {
    /// Where steps run.
    public enum Target: Sendable, ExpressibleByStringLiteral {
        /// On this process's own devices, without messages.
        case inProcess
        /// On the cluster of a server in this process, whose master is called directly.
        case server(Server)
        /// On the cluster of a server elsewhere: `grpc://host:port`.
        case address(String)
        /// An empty text means in process.
        public init(stringLiteral value: String) { self.init(value) }
        public init(_ text: String) { self = text.isEmpty ? .inProcess : .address(text) }
    }

    private let backend: any SessionBackend
    private let state: Mutex<Graph>

    /// Opens a session with a graph.
    ///
    /// - Throws: `invalidArgument` when the graph cannot be placed; `unavailable` when the server cannot be reached.
    public init(
        _ graph: Graph, target: Target = .inProcess, configuration: SessionConfiguration = SessionConfiguration(),
        registry: OpRegistry, devices: LocalDevices? = nil
    ) async throws(Status) {
        state = Mutex(graph)
        do {
            switch target {
            case .inProcess:
                var options = RuntimeOptions()
                options.allowsSoftPlacement = configuration.allowsSoftPlacement
                options.logsPlacement = configuration.logsPlacement
                if !configuration.optimizes { options.execution.optimizer = .none }
                backend = DirectBackend(try DirectSession(graph, registry: registry, devices: devices, options: options))
            case .server(let server):
                backend = try await MasterBackend(server.master, graph, configuration, target: server.target)
            case .address(let address):
                backend = try await MasterBackend(RemoteMaster.shared(target: address), graph, configuration, target: address)
            }
        } catch {
            throw Status(error)
        }
    }

    public var graph: Graph { state.withLock { $0 } }

    /// Runs what the fetches need and gives their values.
    ///
    /// - Parameters:
    ///   - fetches: an output, an operation, an array or a dictionary of them; the value has the same form.
    ///   - feeds: values in place of outputs, placeholders or any others: tensors, numbers, texts, or arrays of them.
    ///   - targets: operations to run for their effect.
    /// - Throws: the step's root cause, naming the node and the task; `invalidArgument` for a value that the output it is
    ///   fed to cannot have.
    public func run<F: Fetchable>(
        _ fetches: F, feeding feeds: [Output: any TensorConvertible] = [:], targets: [Operation] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> F.Fetched {
        let reply = try await run(
            fetches: fetches.fetchNames, feeds: Session.named(feeds), targets: fetches.targetNames + targets.map(\.name), options: options)
        return fetches.value(from: reply.tensors.map(\.tensor))
    }

    /// Runs operations for their effect.
    /// - Throws: as for fetches.
    public func run(_ targets: Operation..., feeding feeds: [Output: any TensorConvertible] = [:]) async throws(Status) {
        _ = try await run(fetches: [], feeds: Session.named(feeds), targets: targets.map(\.name))
    }

    /// The values as tensors of the outputs' types.
    private static func named(_ feeds: [Output: any TensorConvertible]) throws(Status) -> [NamedTensor] {
        var result: [NamedTensor] = []
        for (output, value) in feeds {
            do throws(Status) {
                // A tensor that does not fit is refused by the step, which says it in TensorFlow's words.
                result.append(NamedTensor(output.name, value is Tensor ? try value.tensor() : try value.tensor(output.dtype)))
            } catch {
                throw Status(error.code, "Feed of '\(output.name)': \(error.message)")
            }
        }
        return result
    }

    /// Runs a step by names, as clients on the wire do: fetches `node:index`, targets `node`.
    public func run(
        fetches: [String] = [], feeds: [NamedTensor] = [], targets: [String] = [], options: RunOptions = RunOptions()
    ) async throws(Status) -> RunStepReply {
        // A step needs each tensor once, however often it is asked for.
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

    /// Takes a graph that has grown; the difference is sent before the next step.
    /// - Throws: `invalidArgument` when the new nodes do not fit.
    public func extend(to graph: Graph) async throws(Status) {
        do { try await backend.extend(to: graph) } catch { throw Status(error) }
        state.withLock { $0 = graph }
    }

    /// The devices that steps may use.
    /// - Throws: `unavailable` when the cluster does not answer.
    public func devices() async throws(Status) -> [DeviceAttributes] {
        do { return try await backend.devices() } catch { throw Status(error) }
    }

    /// Cancels running steps and frees what the session holds on its tasks; variables stay.
    /// - Throws: `unavailable` when the cluster does not answer.
    public func close() async throws(Status) {
        do { try await backend.close() } catch { throw Status(error) }
    }

    /// Closes all sessions of a master and drops the variables and queues of these containers on every task; of each
    /// task's default container, which is named after its job, when none is named.
    public static func reset(target: String, containers: [String] = [], deviceFilters: [String] = []) async throws(Status) {
        do {
            try await RemoteMaster.shared(target: target).reset(containers: containers, deviceFilters: deviceFilters)
        } catch {
            throw Status(error)
        }
    }
}

/// What a session is made of: the process's own devices, or a master.
protocol SessionBackend: Sendable {
    func run(
        fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions, _ cancellation: Cancellation
    ) async throws -> RunStepReply
    func extend(to graph: Graph) async throws
    func devices() async throws -> [DeviceAttributes]
    func close() async throws
}
