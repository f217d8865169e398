public import WeirGraph

/// The request of CreateSession.
public struct CreateSession: Sendable {
    /// The initial graph.
    public var graph: GraphDefinition
    /// The options of the session.
    public var configuration: SessionConfiguration
    /// The address that the client used, `grpc://host:port`.
    public var target: String
    /// Makes a request.
    public init(graph: GraphDefinition, configuration: SessionConfiguration = SessionConfiguration(), target: String = "") {
        self.graph = graph
        self.configuration = configuration
        self.target = target
    }
}

/// The request of RunStep, and of PartialRunSetup.
public struct RunStep: Sendable {
    /// The session's handle.
    public var session: String
    /// The values of fed tensors, by name.
    public var feeds: [NamedTensor]
    /// The names of the tensors that are fetched.
    public var fetches: [String]
    /// The names of the nodes that run without being fetched.
    public var targets: [String]
    /// The options of the step.
    public var options = RunOptions()
    /// The handle from `setUpPartialRun`; empty unless the step is a partial run.
    public var partialRunHandle = ""
    /// Identifies the request, so that a retry is not executed twice. With 0 the client stub draws a random one.
    public var requestID = 0
    /// The names of the feeds. The setup of a partial run uses only these.
    public var feedNames: [String] { feeds.map(\.name) }
    /// Makes a request.
    public init(session: String, feeds: [NamedTensor] = [], fetches: [String] = [], targets: [String] = []) {
        self.session = session
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }
}

/// The reply of RunStep and RunCallable.
public struct RunStepReply: Sendable {
    /// The fetched tensors, in the order of the fetches.
    public var tensors: [NamedTensor]
    /// What was recorded of the step, if the options ask for it.
    public var metadata: RunMetadata?
    /// Makes a reply.
    public init(tensors: [NamedTensor], metadata: RunMetadata? = nil) {
        self.tensors = tensors
        self.metadata = metadata
    }
}
