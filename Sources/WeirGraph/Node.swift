public import WeirTensor

/// A node's place in its graph's arena.
public typealias NodeID = Int

/// An output of a node.
public struct Endpoint: Sendable, Hashable {
    public var node: NodeID
    public var index: Int
    public init(_ node: NodeID, _ index: Int = 0) {
        self.node = node
        self.index = index
    }
}

/// One operation of a graph, its inputs resolved.
public struct Node: Sendable {
    public var name: String
    public var op: OpDefinition
    public var inputs: [Endpoint]
    public var controlInputs: [NodeID]
    /// The device as it was asked for: full, partial or empty.
    public var requestedDevice: String
    /// The device the placer chose.
    public var device: DeviceName?
    public var attributes: Attributes
    public var inputTypes: [PortType]
    public var outputTypes: [PortType]
    /// What its wire form had that Weir does not read, kept for whoever does.
    public var preserved: [UInt8] = []

    /// A node with every attribute that its types need.
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

    public var role: OpRole { op.role }
    public var isSend: Bool { op.role == .send }
    public var isReceive: Bool { op.role == .receive }
    /// Whether it only computes values from values: it may run early, late, once for several like it, or not at all.
    var isPure: Bool {
        op.isPure && !outputTypes.isEmpty && !inputTypes.contains(where: \.isReference) && !outputTypes.contains(where: \.isReference)
    }
    /// The tensor that it is, if it is a constant that is what it says.
    var constantValue: Tensor? {
        guard op.role == .constant, let value = attributes.tensor("value"), value.dtype == outputTypes[0].dtype else { return nil }
        return value
    }
}

extension OpSchema {
    /// These attributes with defaults filled in, checked against the schema.
    /// - Throws: `invalidArgument` naming the attribute, what was expected and what was found.
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
    /// - Throws: `invalidArgument` when the value is of another kind, below the minimum or not among the allowed.
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
        if let allowedStrings, case .string(let text) = value, !allowedStrings.contains(text.description) {
            throw .invalidArgument(
                "Value for attr '\(name)' of \"\(text)\" is not in the list of allowed values: \(allowedStrings.joined(separator: ", "))")
        }
        if let minimum {
            switch value {
            case .int(let number) where number < minimum:
                throw .invalidArgument("Value for attr '\(name)' of \(number) must be at least minimum \(minimum)")
            case .types(let list) where list.count < minimum: try tooShort(list.count, minimum)
            case .ints(let list) where list.count < minimum: try tooShort(list.count, minimum)
            case .shapes(let list) where list.count < minimum: try tooShort(list.count, minimum)
            case .strings(let list) where list.count < minimum: try tooShort(list.count, minimum)
            case .emptyList where minimum > 0: try tooShort(0, minimum)
            default: break
            }
        }
    }
    private func tooShort(_ count: Int, _ minimum: Int) throws(Status) {
        throw .invalidArgument("Length for attr '\(name)' of \(count) must be at least minimum \(minimum)")
    }
}
