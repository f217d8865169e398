public import WeirCluster
public import WeirGraph
import WeirOps
public import WeirRuntime
public import WeirTensor
import WeirWire

// What is made of all of Weir's ops. The targets below do not know them: an edit of an op does not compile them again.

extension GraphBuilder {
    /// A builder of graphs of Weir's ops.
    public convenience init() { self.init(registry: .standard) }

    /// A builder that goes on from a graph that is there.
    public convenience init(extending graph: Graph) { self.init(extending: graph, registry: .standard) }
}

extension Graph {
    /// Resolves a definition whose nodes have Weir's ops: looks up every op and connects every input.
    /// - Throws: `invalidArgument` or `notFound` with the node's name, the expected and the found value.
    public init(_ definition: GraphDefinition) throws(Status) { try self.init(definition, registry: .standard) }

    /// Reads a graph of Weir's ops from a `GraphDef` in a file. A name that ends in `.pbtxt` or `.txt` means text format;
    /// otherwise the format is detected.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` when it is not a graph, or a node does not fit its op.
    public init(contentsOf path: String) throws(Status) {
        try self.init(GraphDefinition(contentsOf: path, variants: OpRegistry.standard.variants))
    }
}

extension Session {
    /// Opens a session with a graph of Weir's ops. On a cluster, waits until the server and all tasks that the session may use
    /// respond.
    ///
    /// - Parameters:
    ///   - target: where steps run: in this process, on a server in it, or at an address such as `grpc://host:2222`.
    ///   - devices: the devices of a session in this process; its own when there are none.
    /// - Throws: `invalidArgument` when the graph cannot be placed; `unavailable` when the server is lost meanwhile.
    public convenience init(
        _ graph: Graph, target: Target = .inProcess, configuration: SessionConfiguration = SessionConfiguration(),
        devices: LocalDevices? = nil
    ) async throws(Status) {
        try await self.init(graph, target: target, configuration: configuration, registry: .standard, devices: devices)
    }
}

extension Server {
    /// Starts a server of Weir's ops; it serves when this returns.
    ///
    /// - Throws: `unavailable` when its address cannot be listened on.
    public convenience init(_ definition: ServerDefinition, options: ServerOptions = ServerOptions()) async throws(Status) {
        try await self.init(definition, options: options, registry: .standard)
    }

    /// A server alone in its cluster, on a free port of this machine.
    public static func createLocal(options: ServerOptions = ServerOptions()) async throws(Status) -> Server {
        try await createLocal(options: options, registry: .standard)
    }
}
