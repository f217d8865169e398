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
    /// Opens a session with a graph of Weir's ops.
    ///
    /// With a server or an address it waits until the server and every task that the session needs answer.
    /// `SessionConfiguration.deviceFilters` says which tasks these are. To end the wait, cancel the Swift task.
    /// - Parameters:
    ///   - target: where steps run: in this process, on a server in it, or at an address such as `grpc://host:2222`.
    ///   - devices: the devices of a session in this process; its own when there are none.
    ///   - timeout: how long to wait for the server and the tasks; nil waits without a limit.
    /// - Throws: `invalidArgument` when the graph cannot be placed; `cancelled` when the Swift task is cancelled; `deadlineExceeded` when
    ///   the timeout passes, with the names of the tasks that have not answered the server; `unavailable` when the connection to the
    ///   server breaks again after several attempts.
    public convenience init(
        _ graph: Graph, target: Target = .inProcess, configuration: SessionConfiguration = SessionConfiguration(),
        devices: LocalDevices? = nil, timeout: Duration? = nil
    ) async throws(Status) {
        try await self.init(graph, target: target, configuration: configuration, registry: .standard, devices: devices, timeout: timeout)
    }
}

extension Server {
    /// Starts a server of Weir's ops. It accepts calls when this returns.
    ///
    /// - Parameter devices: the devices of the server, which it renames to those of its task; nil makes those of `options.runtime`.
    /// - Throws: `unavailable` when it cannot listen on its address; `invalidArgument` when two devices get one name.
    public convenience init(
        _ definition: ServerDefinition, options: ServerOptions = ServerOptions(), devices: LocalDevices? = nil
    ) async throws(Status) {
        try await self.init(definition, options: options, registry: .standard, devices: devices)
    }

    /// Starts a server that is the only task of its cluster, on a free port of this machine.
    /// - Throws: as `init`.
    public static func createLocal(options: ServerOptions = ServerOptions(), devices: LocalDevices? = nil) async throws(Status) -> Server {
        try await createLocal(options: options, registry: .standard, devices: devices)
    }
}
