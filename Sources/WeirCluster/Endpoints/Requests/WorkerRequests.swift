package import WeirGraph

/// The request of CreateWorkerSession.
package struct CreateWorkerSession: Sendable {
    /// The session's handle, which the master chooses.
    package var session: String
    /// The cluster specification of the session; nil for the server's.
    package var cluster: ClusterSpec?
    /// The job of this task in that cluster.
    package var job: String
    /// The index of this task in its job.
    package var task: Int
    /// Whether the session has variables and other resources of its own.
    package var isolatesState: Bool
    /// The task of the master, such as `/job:worker/replica:0/task:0`; empty when unknown.
    package var masterTask: String
    /// The incarnation of the master's task. When it changes, the master has restarted, and its earlier sessions are deleted.
    package var masterIncarnation: UInt64
    /// The master's default session options: a serialized `ConfigProto`, passed on unchanged.
    package var configuration: [UInt8]
    /// Makes a request.
    package init(
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
package struct RegisterGraph: Sendable {
    /// The session's handle.
    package var session: String
    /// Whether the master has created a worker session (`create_worker_session_called`); masters of TensorFlow 1 did not.
    package var hasSession = true
    /// The partition that this task runs. Each node has a device of this task.
    package var graph: GraphDefinition
    /// Whether the graph has nodes that enter loops or switch (`Enter`, `Switch`).
    package var hasControlFlow = false
    /// The options of the session.
    package var configuration: SessionConfiguration
    /// TensorFlow's `collective_graph_key`: not 0 if the step has collective ops on any task.
    package var collectiveGraphKey = 0
    /// Makes a request.
    package init(session: String, graph: GraphDefinition, configuration: SessionConfiguration) {
        self.session = session
        self.graph = graph
        self.configuration = configuration
    }
}

/// The request of RunGraph: one task's part of a step.
package struct RunGraph: Sendable {
    /// The session's handle.
    package var session: String
    /// Whether the master has created a worker session; see `RegisterGraph`.
    package var hasSession = true
    /// The handle of the registered graph.
    package var graph: String
    /// The step's id, which is the same on all tasks.
    package var step: Int
    /// The tensors that are sent to the step's rendezvous before it runs, by key: the feeds.
    package var sends: [NamedTensor]
    /// The rendezvous keys of the tensors that the reply returns: the fetches.
    package var receives: [String]
    /// Whether this is a call of a partial run.
    package var isPartial = false
    /// Whether this is the last call of a partial run.
    package var isLastPartial = false
    /// Whether the reply returns the times of nodes.
    package var recordsTimes = false
    /// Whether the reply returns the graphs that the devices ran.
    package var recordsPartitionGraphs = false
    /// Identifies the request, so that the worker does not execute it twice. With 0 the client stub draws a random one.
    package var requestID = 0
    /// Makes a request.
    package init(session: String, graph: String, step: Int, sends: [NamedTensor] = [], receives: [String] = []) {
        self.session = session
        self.graph = graph
        self.step = step
        self.sends = sends
        self.receives = receives
    }
}

/// The reply of RunGraph.
package struct RunGraphReply: Sendable {
    /// The tensors that the request asked for.
    package var received: [NamedTensor]
    /// When each node ran, if the request asked for it.
    package var times: [NodeTime]
    /// The graphs that the devices ran, if the request asked for them.
    package var partitionGraphs: [GraphDefinition]
    /// The call as this task saw it, if the request asked for times. A worker of TensorFlow sends none.
    package var call: StepCall?
    /// Makes a reply.
    package init(received: [NamedTensor] = [], times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.received = received
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}

/// The request of RecvTensor: one tensor of a step.
package struct ReceiveTensor: Sendable {
    /// The step's id.
    package var step: Int
    /// The rendezvous key under which the tensor is sent.
    package var key: RendezvousKey
    /// Identifies the request, so that the worker does not execute it twice. With 0 the client stub draws a random one.
    package var requestID: Int
    /// Makes a request.
    package init(step: Int, key: RendezvousKey, requestID: Int = 0) {
        self.step = step
        self.key = key
        self.requestID = requestID
    }
}
