public import WeirTensor

/// A graph as it travels: nodes that name their inputs. TensorFlow's `GraphDef`.
public struct GraphDefinition: Sendable {
    public var nodes: [NodeDefinition]
    public var library: FunctionLibrary
    public var versions: GraphVersions
    /// What its wire form had that Weir does not read.
    public var preserved: [UInt8] = []
    public init(nodes: [NodeDefinition] = [], library: FunctionLibrary = FunctionLibrary(), versions: GraphVersions = .current) {
        self.nodes = nodes
        self.library = library
        self.versions = versions
    }
}

/// TensorFlow's `NodeDef`. An input is `name`, `name:index` or, for a control edge, `^name`.
public struct NodeDefinition: Sendable, Equatable {
    public var name: String
    public var op: String
    public var inputs: [String]
    public var device: String
    public var attributes: Attributes
    public var preserved: [UInt8] = []
    public init(name: String, op: String, inputs: [String] = [], device: String = "", attributes: Attributes = [:]) {
        self.name = name
        self.op = op
        self.inputs = inputs
        self.device = device
        self.attributes = attributes
    }
}

/// Which TensorFlow wrote a graph, and which may read it.
public struct GraphVersions: Sendable, Equatable {
    public var producer: Int
    public var minimumConsumer: Int
    public var badConsumers: [Int]
    public init(producer: Int, minimumConsumer: Int = 0, badConsumers: [Int] = []) {
        self.producer = producer
        self.minimumConsumer = minimumConsumer
        self.badConsumers = badConsumers
    }
    /// What Weir writes: the version of the TensorFlow it was checked against, 2.21.
    public static let current = GraphVersions(producer: 2474)
    /// The oldest producer whose graphs are read.
    public static let minimumProducer = 0

    /// - Throws: `invalidArgument` when whoever wrote the graph does not want it read by this version.
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

/// A reference to an output, a control edge, or a function's argument, read from a `NodeDefinition`'s input.
public struct InputReference: Sendable, Equatable {
    public var node: String
    public var index: Int
    public var isControl: Bool
    /// Reads `name`, `name:index`, `^name`.
    public init?(_ text: String) {
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
