public import WeirTensor

/// The index of a node in its graph's `nodes`.
public typealias NodeID = Int

/// An output of a node: one end of an edge.
public struct Endpoint: Sendable, Hashable {
    /// The node that has the output.
    public var node: NodeID
    /// The output's index at the node.
    public var index: Int
    /// Output `index` of a node.
    public init(_ node: NodeID, _ index: Int = 0) {
        self.node = node
        self.index = index
    }
}

/// One operation of a graph, with resolved inputs. TensorFlow's `Node`.
public struct Node: Sendable {
    /// The name, unique in the graph.
    public var name: String
    /// The op that the node runs.
    public var op: OpDefinition
    /// The data inputs, in the order of the op's schema.
    public var inputs: [Endpoint]
    /// The nodes that must have run before this one.
    public var controlInputs: [NodeID]
    /// The device that the client requested: full, partial or empty.
    public var requestedDevice: String
    /// The device that the placer chose; nil before placement.
    public var device: DeviceName?
    /// The attributes, with the schema's defaults filled in.
    public var attributes: Attributes
    /// The types of the inputs, by the schema and the attributes.
    public var inputTypes: [PortType]
    /// The types of the outputs, by the schema and the attributes.
    public var outputTypes: [PortType]
    /// Serialized fields of the `NodeDef` that Weir does not read. They are kept for other programs that read the graph.
    package var preserved: [UInt8] = []

    /// A node with the given attributes and the schema's defaults. Its inputs are not checked.
    /// - Throws: `invalidArgument` when an attribute is missing or of the wrong kind.
    public init(
        name: String, op: OpDefinition, inputs: [Endpoint] = [], controlInputs: [NodeID] = [],
        requestedDevice: String = "", attributes: Attributes = [:]
    ) throws(Status) {
        self.name = name
        self.op = op
        self.inputs = inputs
        self.controlInputs = controlInputs
        self.requestedDevice = requestedDevice
        self.attributes = attributes
        do {
            self.attributes = try op.schema.completing(attributes)
            inputTypes = try op.schema.ports(op.schema.inputs, self.attributes)
            outputTypes = try op.schema.ports(op.schema.outputs, self.attributes)
        } catch {
            throw Status(error.code, "Node '\(name)' (op \(op.name)): \(error.message)")
        }
    }

    /// The op's role.
    public var role: OpRole { op.role }
    /// Whether the node sends a tensor to another device or task.
    package var isSend: Bool { op.role == .send }
    /// Whether the node receives a tensor from another device or task.
    package var isReceive: Bool { op.role == .receive }
    /// Whether the node only computes values from values. It may run early or late, replace equal nodes, or be removed.
    var isPure: Bool {
        op.isPure && !outputTypes.isEmpty && !inputTypes.contains(where: \.isReference) && !outputTypes.contains(where: \.isReference)
    }
    /// The tensor of a constant whose `value` has the type that its `dtype` says; nil for all other nodes.
    var constantValue: Tensor? {
        guard op.role == .constant, let value = attributes.tensor("value"), value.dtype == outputTypes.first?.dtype else { return nil }
        return value
    }
}

extension OpSchema {
    /// The given attributes, checked against the schema, with the defaults of missing ones.
    /// - Throws: `invalidArgument` with the attribute's name, the expected and the found value.
    public func completing(_ given: Attributes) throws(Status) -> Attributes {
        var result = given
        for spec in attributes {
            guard let value = given[spec.name] else {
                guard let fallback = spec.defaultValue else {
                    throw .invalidArgument("NodeDef missing attr '\(spec.name)', which has no default")
                }
                result[spec.name] = fallback
                continue
            }
            try spec.check(value)
        }
        return result
    }
}

extension OpSchema.AttributeSpec {
    /// Checks a value against the constraints.
    /// - Throws: `invalidArgument` when the value is of another kind, less than the minimum, or not among the allowed values.
    public func check(_ value: AttributeValue) throws(Status) {
        let fits: Bool =
            switch (kind, value) {
            case (.string, .string), (.int, .int), (.float, .float), (.bool, .bool), (.type, .type), (.shape, .shape),
                (.tensor, .tensor), (.function, .function), (.strings, .strings), (.ints, .ints), (.floats, .floats),
                (.bools, .bools), (.types, .types), (.shapes, .shapes), (.tensors, .tensors), (.functions, .functions),
                (_, .placeholder):
                true
            case (.strings, .emptyList), (.ints, .emptyList), (.floats, .emptyList), (.bools, .emptyList),
                (.types, .emptyList), (.shapes, .emptyList), (.tensors, .emptyList), (.functions, .emptyList):
                true
            default: false
            }
        guard fits else { throw .invalidArgument("AttrValue of attr '\(name)' must be of kind \(kind.rawValue), found \(value)") }
        if let allowedTypes {
            let types: [DType] =
                switch value {
                case .type(let type): [type]
                case .types(let types): types
                default: []
                }
            if let bad = types.first(where: { !allowedTypes.contains($0) }) {
                let allowed = allowedTypes.types.map(\.name).joined(separator: ", ")
                throw .invalidArgument("Value for attr '\(name)' of \(bad) is not in the list of allowed values: \(allowed)")
            }
        }
        if let allowedStrings {
            let texts: [ByteString] =
                switch value {
                case .string(let text): [text]
                case .strings(let texts): texts
                default: []
                }
            if let bad = texts.first(where: { !allowedStrings.contains($0.description) }) {
                throw .invalidArgument(
                    "Value for attr '\(name)' of \"\(bad)\" is not in the list of allowed values: \(allowedStrings.joined(separator: ", "))")
            }
        }
        guard let minimum else { return }
        if case .int(let number) = value, number < minimum {
            throw .invalidArgument("Value for attr '\(name)' of \(number) must be at least minimum \(minimum)")
        }
        if let length = value.listLength, length < minimum {
            throw .invalidArgument("Length for attr '\(name)' of \(length) must be at least minimum \(minimum)")
        }
    }
}

extension AttributeValue {
    /// The number of elements of a list; nil for other values.
    fileprivate var listLength: Int? {
        switch self {
        case .strings(let list): list.count
        case .ints(let list): list.count
        case .floats(let list): list.count
        case .bools(let list): list.count
        case .types(let list): list.count
        case .shapes(let list): list.count
        case .tensors(let list): list.count
        case .functions(let list): list.count
        case .emptyList: 0
        case .string, .int, .float, .bool, .type, .shape, .tensor, .function, .placeholder: nil
        }
    }
}
