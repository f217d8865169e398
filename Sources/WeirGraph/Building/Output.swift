public import WeirTensor

/// An output of a node in a graph that is being built. Ops and operators take outputs and return outputs.
///
/// The Swift type does not include the element type: `dtype` is known while the graph is built, and is checked then.
public struct Output: Sendable {
    /// The builder whose graph contains the node.
    public let builder: GraphBuilder
    /// The node and the output's index.
    public let endpoint: Endpoint

    /// The output at `endpoint` of a builder's graph, whose node must exist.
    package init(_ builder: GraphBuilder, _ endpoint: Endpoint) {
        self.builder = builder
        self.endpoint = endpoint
    }

    /// The element type; `float32` if the endpoint does not exist.
    public var dtype: DType { builder.portType(endpoint).dtype }
    /// Whether it is a reference to a variable rather than a value.
    public var isReference: Bool { builder.portType(endpoint).isReference }
    /// The inferred shape, as far as it is known.
    public var shape: PartialShape { builder.shape(endpoint) }
    /// The tensor's name, `node:index`, as a client feeds or fetches it.
    public var name: String { "\(nodeName):\(endpoint.index)" }
    /// The name of its node.
    public var nodeName: String { builder.node(endpoint.node).name }
    /// Its node, as an operation to run or to depend on.
    public var operation: Operation { Operation(builder, endpoint.node) }
}

extension Output: Hashable {
    /// Whether both are the same output of the same builder's graph.
    public static func == (a: Output, b: Output) -> Bool { a.endpoint == b.endpoint && a.builder === b.builder }
    /// Hashes the endpoint.
    public func hash(into hasher: inout Hasher) { hasher.combine(endpoint) }
}

extension Output: CustomStringConvertible {
    /// The tensor's name, shape and dtype: `<Output 'dense/MatMul:0' shape=[?,10] dtype=float>`.
    public var description: String { "<Output '\(name)' shape=\(shape) dtype=\(builder.portType(endpoint))>" }
}

/// A node of a graph that is being built, as something to run or to depend on. TensorFlow's `Operation`.
public struct Operation: Sendable {
    /// The builder whose graph contains the node.
    public let builder: GraphBuilder
    /// The node's ID in the graph.
    public let id: NodeID
    /// The operation of this node, which must exist.
    package init(_ builder: GraphBuilder, _ id: NodeID) {
        self.builder = builder
        self.id = id
    }
    /// The node's name.
    public var name: String { builder.node(id).name }
    /// All outputs, in order.
    public var outputs: [Output] { builder.node(id).outputTypes.indices.map { Output(builder, Endpoint(id, $0)) } }
    /// Output `index`. If the operation could not be built, it is a substitute, so that the program can go on to `graph()`,
    /// which throws.
    public func output(_ index: Int = 0) -> Output { Output(builder, Endpoint(id, index)) }
    /// Output `index`, as `output(_:)` returns it.
    public subscript(index: Int) -> Output { output(index) }
}

extension Operation: CustomStringConvertible {
    /// The node's name and op: `<Operation 'dense/MatMul' type=MatMul>`.
    public var description: String { "<Operation '\(name)' type=\(builder.node(id).op.name)>" }
}
