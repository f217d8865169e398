package import WeirGraph

/// The request of CreateSession.
package struct CreateSession: Sendable {
    /// The initial graph.
    package var graph: GraphDefinition
    /// The options of the session.
    package var configuration: SessionConfiguration
    /// The address that the client used, `grpc://host:port`.
    package var target: String
    /// How long to wait for the tasks that the session needs; nil waits without a limit. In a message, it is the deadline of the call.
    package var timeout: Duration?
    /// Makes a request.
    package init(
        graph: GraphDefinition, configuration: SessionConfiguration = SessionConfiguration(), target: String = "", timeout: Duration? = nil
    ) {
        self.graph = graph
        self.configuration = configuration
        self.target = target
        self.timeout = timeout
    }
}

/// The request of RunStep, and of PartialRunSetup.
package struct RunStep: Sendable {
    /// The session's handle.
    package var session: String
    /// The values of fed tensors, by name.
    package var feeds: [NamedTensor]
    /// The names of the tensors that are fetched.
    package var fetches: [String]
    /// The names of the nodes that run without being fetched.
    package var targets: [String]
    /// The options of the step.
    package var options = RunOptions()
    /// The handle from `setUpPartialRun`; empty unless the step is a partial run.
    package var partialRunHandle = ""
    /// Identifies the request, so that a retry is not executed twice. With 0 the client stub draws a random one.
    package var requestID = 0
    /// The names of the feeds. The setup of a partial run uses only these.
    package var feedNames: [String] { feeds.map(\.name) }
    /// Makes a request.
    package init(session: String, feeds: [NamedTensor] = [], fetches: [String] = [], targets: [String] = []) {
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
