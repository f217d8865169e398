public import WeirTensor

/// A graph in its serializable form: nodes that refer to their inputs by name. TensorFlow's `GraphDef`.
public struct GraphDefinition: Sendable {
    /// The nodes, in any order.
    public var nodes: [NodeDefinition]
    /// The functions that the nodes call.
    public var library: FunctionLibrary
    /// The versions of the producer and of the allowed consumers.
    public var versions: GraphVersions
    /// Serialized fields of the `GraphDef` that Weir does not read.
    package var preserved: [UInt8] = []
    /// A graph of these nodes. They are not checked.
    public init(nodes: [NodeDefinition] = [], library: FunctionLibrary = FunctionLibrary(), versions: GraphVersions = .current) {
        self.nodes = nodes
        self.library = library
        self.versions = versions
    }
}

/// TensorFlow's `NodeDef`. An input is `name`, `name:index` or, for a control edge, `^name`.
public struct NodeDefinition: Sendable, Equatable {
    /// The node's name, unique in the graph.
    public var name: String
    /// The name of the op, or of a function of the library.
    public var op: String
    /// The data inputs in order, then the control inputs.
    public var inputs: [String]
    /// The requested device: full, partial or empty.
    public var device: String
    /// The attributes; those with default values may be missing.
    public var attributes: Attributes
    /// Serialized fields of the `NodeDef` that Weir does not read.
    package var preserved: [UInt8] = []
    /// A node definition of these parts. They are not checked.
    public init(name: String, op: String, inputs: [String] = [], device: String = "", attributes: Attributes = [:]) {
        self.name = name
        self.op = op
        self.inputs = inputs
        self.device = device
        self.attributes = attributes
    }
}

/// The version of the TensorFlow that wrote a graph, and those that may read it. TensorFlow's `VersionDef`.
public struct GraphVersions: Sendable, Equatable {
    /// The version of the program that wrote the graph.
    public var producer: Int
    /// The oldest version that may read the graph.
    public var minimumConsumer: Int
    /// Versions that may not read the graph, because they are known to be incorrect for it.
    public var badConsumers: [Int]
    /// Versions of a graph; by default every consumer may read it.
    public init(producer: Int, minimumConsumer: Int = 0, badConsumers: [Int] = []) {
        self.producer = producer
        self.minimumConsumer = minimumConsumer
        self.badConsumers = badConsumers
    }
    /// The version that Weir writes: that of TensorFlow 2.21, against which it was checked.
    public static let current = GraphVersions(producer: 2474)
    /// The oldest producer whose graphs Weir reads.
    public static let minimumProducer = 0

    /// Checks that this version of Weir may read the graph.
    /// - Throws: `invalidArgument` when the producer is too old or does not allow this version as a consumer.
    public func check() throws(Status) {
        let version = GraphVersions.current.producer
        guard producer >= GraphVersions.minimumProducer else {
            throw .invalidArgument(
                "GraphDef producer version \(producer) below min producer \(GraphVersions.minimumProducer) supported by Weir "
                    + "(TensorFlow 2.21.0).  Please regenerate your graph.")
        }
        guard minimumConsumer <= version else {
            throw .invalidArgument(
                "GraphDef min consumer version \(minimumConsumer) above current version \(version) for Weir (TensorFlow 2.21.0).  "
                    + "Please upgrade Weir.")
        }
        guard !badConsumers.contains(version) else {
            throw .invalidArgument(
                "GraphDef disallows consumer version \(version).  Please upgrade Weir: this version is likely buggy.")
        }
    }
}

/// The parsed form of an input of a `NodeDefinition`: a reference to an output, or a control edge.
package struct InputReference: Sendable, Equatable {
    /// The node's name, or the name of a function's argument.
    package var node: String
    /// The output's index; -1 for a control edge.
    package var index: Int
    /// Whether it is a control edge.
    package var isControl: Bool
    /// Parses `name`, `name:index` or `^name`; nil if the text is none of these.
    package init?(_ text: String) {
        if text.hasPrefix("^") {
            node = String(text.dropFirst())
            index = -1
            isControl = true
        } else if let colon = text.lastIndex(of: ":") {
            guard let number = Int(text[text.index(after: colon)...]), number >= 0, number < 1 << 30 else { return nil }
            node = String(text[..<colon])
            index = number
            isControl = false
        } else {
            node = text
            index = 0
            isControl = false
        }
        if node.isEmpty { return nil }
    }
}
