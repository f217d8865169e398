public import WeirGraph

/// The request of CreateWorkerSession.
public struct CreateWorkerSession: Sendable {
    /// The session's handle, which the master chooses.
    public var session: String
    /// The cluster specification of the session; nil for the server's.
    public var cluster: ClusterSpec?
    /// The job of this task in that cluster.
    public var job: String
    /// The index of this task in its job.
    public var task: Int
    /// Whether the session has variables and other resources of its own.
    public var isolatesState: Bool
    /// The task of the master, such as `/job:worker/replica:0/task:0`; empty when unknown.
    public var masterTask: String
    /// The incarnation of the master's task. When it changes, the master has restarted, and its earlier sessions are deleted.
    public var masterIncarnation: UInt64
    /// The master's default session options: a serialized `ConfigProto`, passed on unchanged.
    public var configuration: [UInt8]
    /// Makes a request.
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

/// The request of RegisterGraph.
public struct RegisterGraph: Sendable {
    /// The session's handle.
    public var session: String
    /// Whether the master has created a worker session (`create_worker_session_called`); masters of TensorFlow 1 did not.
    public var hasSession = true
    /// The partition that this task runs. Each node has a device of this task.
    public var graph: GraphDefinition
    /// Whether the graph has nodes that enter loops or switch (`Enter`, `Switch`).
    public var hasControlFlow = false
    /// The options of the session.
    public var configuration: SessionConfiguration
    /// TensorFlow's `collective_graph_key`, passed on unchanged; Weir has no collective ops between tasks.
    public var collectiveGraphKey = 0
    /// Makes a request.
    public init(session: String, graph: GraphDefinition, configuration: SessionConfiguration) {
        self.session = session
        self.graph = graph
        self.configuration = configuration
    }
}

/// The request of RunGraph: one task's part of a step.
public struct RunGraph: Sendable {
    /// The session's handle.
    public var session: String
    /// Whether the master has created a worker session; see `RegisterGraph`.
    public var hasSession = true
    /// The handle of the registered graph.
    public var graph: String
    /// The step's id, which is the same on all tasks.
    public var step: Int
    /// The tensors that are sent to the step's rendezvous before it runs, by key: the feeds.
    public var sends: [NamedTensor]
    /// The rendezvous keys of the tensors that the reply returns: the fetches.
    public var receives: [String]
    /// Whether this is a call of a partial run.
    public var isPartial = false
    /// Whether this is the last call of a partial run.
    public var isLastPartial = false
    /// Whether the reply returns the times of nodes.
    public var recordsTimes = false
    /// Whether the reply returns the graphs that the devices ran.
    public var recordsPartitionGraphs = false
    /// Identifies the request, so that the worker does not execute it twice. With 0 the client stub draws a random one.
    public var requestID = 0
    /// Makes a request.
    public init(session: String, graph: String, step: Int, sends: [NamedTensor] = [], receives: [String] = []) {
        self.session = session
        self.graph = graph
        self.step = step
        self.sends = sends
        self.receives = receives
    }
}

/// The reply of RunGraph.
public struct RunGraphReply: Sendable {
    /// The tensors that the request asked for.
    public var received: [NamedTensor]
    /// When each node ran, if the request asked for it.
    public var times: [NodeTime]
    /// The graphs that the devices ran, if the request asked for them.
    public var partitionGraphs: [GraphDefinition]
    /// Makes a reply.
    public init(received: [NamedTensor] = [], times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.received = received
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}

/// The request of RecvTensor: one tensor of a step.
public struct ReceiveTensor: Sendable {
    /// The step's id.
    public var step: Int
    /// The rendezvous key under which the tensor is sent.
    public var key: RendezvousKey
    /// Identifies the request, so that the worker does not execute it twice. With 0 the client stub draws a random one.
    public var requestID: Int
    /// Makes a request.
    public init(step: Int, key: RendezvousKey, requestID: Int = 0) {
        self.step = step
        self.key = key
        self.requestID = requestID
    }
}
