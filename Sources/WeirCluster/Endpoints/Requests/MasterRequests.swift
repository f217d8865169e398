public import WeirGraph

public struct CreateSession: Sendable {
    public var graph: GraphDefinition
    public var configuration: SessionConfiguration
    /// The address that the client used, `grpc://host:port`.
    public var target: String
    public init(graph: GraphDefinition, configuration: SessionConfiguration = SessionConfiguration(), target: String = "") {
        self.graph = graph
        self.configuration = configuration
        self.target = target
    }
}

public struct RunStep: Sendable {
    public var session: String
    public var feeds: [NamedTensor]
    public var fetches: [String]
    public var targets: [String]
    public var options = RunOptions()
    /// Not empty in a partial run.
    public var partialRunHandle = ""
    public var requestID = 0
    /// For the set-up of a partial run, which has names only.
    public var feedNames: [String] { feeds.map(\.name) }
    public init(session: String, feeds: [NamedTensor] = [], fetches: [String] = [], targets: [String] = []) {
        self.session = session
        self.feeds = feeds
        self.fetches = fetches
        self.targets = targets
    }
}

public struct RunStepReply: Sendable {
    /// In the order of the fetches.
    public var tensors: [NamedTensor]
    public var metadata: RunMetadata?
    public init(tensors: [NamedTensor], metadata: RunMetadata? = nil) {
        self.tensors = tensors
        self.metadata = metadata
    }
}
