public import WeirGraph
public import WeirTensor
public import WeirWire

/// What a worker does for masters and other workers: TensorFlow's `WorkerService` in plain values.
///
/// The worker of this process and the stub of one elsewhere are both this, so that a master need not know which it has.
/// Calls that are made once a step complete by callback; the rare ones are async.
public protocol WorkerEndpoint: AnyObject, Sendable {
    /// The devices of the task, under their boot names. Also a sign of life.
    func status() async throws -> [DeviceAttributes]
    func createSession(_ request: CreateWorkerSession) async throws
    func deleteSession(_ handle: String) async throws
    /// - Returns: the graph's handle.
    func registerGraph(_ request: RegisterGraph) async throws -> String
    func deregisterGraph(_ handle: String, session: String) async throws
    /// Runs this task's part of a step. `cancellation` ends it early.
    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>)
    /// Hands out a tensor that a step of this task produces, when it is produced.
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>)
    /// Forgets a step: drops what nobody fetched.
    func cleanUpGraph(step: Int) async throws
    /// Drops the resources of these containers, of the default one when none is named.
    func cleanUpAll(containers: [String]) async throws
    /// Turns the record of a step's calls on or off. Weir keeps no such record: accepted, nothing is returned.
    func logging(enabled: Bool, fetching steps: [Int]) async throws
}

public struct CreateWorkerSession: Sendable {
    public var session: String
    /// The cluster as the master sees it, when the session has its own view of it; else nil.
    public var cluster: ClusterSpec?
    public var job: String
    public var task: Int
    public var isolatesState: Bool
    public var masterTask: String
    public var masterIncarnation: UInt64
    /// The master's default session options, serialized; passed on as they came.
    public var configuration: [UInt8]
    public init(
        session: String, cluster: ClusterSpec? = nil, job: String, task: Int, isolatesState: Bool = false,
        masterTask: String = "", masterIncarnation: UInt64 = 0, configuration: [UInt8] = []
    ) {
        self.session = session
        self.cluster = cluster
        self.job = job
        self.task = task
        self.isolatesState = isolatesState
        self.masterTask = masterTask
        self.masterIncarnation = masterIncarnation
        self.configuration = configuration
    }
}

public struct RegisterGraph: Sendable {
    public var session: String
    /// Whether the master made the worker session; masters of TensorFlow 1 did not.
    public var hasSession = true
    public var graph: GraphDefinition
    public var hasControlFlow = false
    public var configuration: SessionConfiguration
    public var collectiveGraphKey = 0
    public init(session: String, graph: GraphDefinition, configuration: SessionConfiguration) {
        self.session = session
        self.graph = graph
        self.configuration = configuration
    }
}

public struct RunGraph: Sendable {
    public var session: String
    public var hasSession = true
    public var graph: String
    public var step: Int
    /// Values to put into the step's rendezvous, by key.
    public var sends: [NamedTensor]
    /// Keys of the values to take from it at the end.
    public var receives: [String]
    public var isPartial = false
    public var isLastPartial = false
    public var recordsTimes = false
    public var recordsPartitionGraphs = false
    public var requestID = 0
    public init(session: String, graph: String, step: Int, sends: [NamedTensor] = [], receives: [String] = []) {
        self.session = session
        self.graph = graph
        self.step = step
        self.sends = sends
        self.receives = receives
    }
}

public struct RunGraphReply: Sendable {
    public var received: [NamedTensor]
    public var times: [NodeTime]
    public var partitionGraphs: [GraphDefinition]
    public init(received: [NamedTensor] = [], times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.received = received
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}

public struct ReceiveTensor: Sendable {
    public var step: Int
    public var key: RendezvousKey
    public var requestID: Int
    public init(step: Int, key: RendezvousKey, requestID: Int = 0) {
        self.step = step
        self.key = key
        self.requestID = requestID
    }
}

public struct NamedTensor: Sendable {
    public var name: String
    public var tensor: Tensor
    public init(_ name: String, _ tensor: Tensor) {
        self.name = name
        self.tensor = tensor
    }
}

/// When a node ran, in nanoseconds since 1970.
public struct NodeTime: Sendable {
    public var node: String
    public var op: String
    public var device: String
    public var start: Int
    public var end: Int
    public var outputBytes: [Int]
    public var outputTypes: [DType]
    public var outputShapes: [Shape]
    public init(
        node: String, op: String, device: String, start: Int, end: Int, outputBytes: [Int] = [], outputTypes: [DType] = [],
        outputShapes: [Shape] = []
    ) {
        self.node = node
        self.op = op
        self.device = device
        self.start = start
        self.end = end
        self.outputBytes = outputBytes
        self.outputTypes = outputTypes
        self.outputShapes = outputShapes
    }
}
