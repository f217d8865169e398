public import Logging
public import Metrics
public import WeirRuntime

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
    /// The devices of a server that is given none. Its options of placement have no effect on servers: `defaults` has those of
    /// sessions. For the memory of the process see `MemoryLimit`.
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
    /// Where the server logs. Each of its lines has the metadata `task`. The default is a logger of the system that
    /// `LoggingSystem.bootstrap` has set when the options are made.
    public var logger = Logger(label: "weir.server")
    /// The factory of the server's metrics, which `docs/metrics.md` lists. The default is the factory that
    /// `MetricsSystem.bootstrap` has set when the options are made; without one, nothing is recorded.
    public var metrics: any MetricsFactory = MetricsSystem.factory
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
