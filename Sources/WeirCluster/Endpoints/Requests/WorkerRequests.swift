public import WeirGraph

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
