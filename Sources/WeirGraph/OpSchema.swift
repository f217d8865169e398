public import WeirTensor

/// What goes into and comes out of an op, and which attributes it has: the part of an op that travels as `OpDef`.
///
/// Written in the notation of TensorFlow's op registrations, so that a schema can be compared with TensorFlow's by eye:
/// `"(a: T, b: T) -> (product: T)"` and `"transpose_a: bool = false"`, `"T: {half, float, double}"`, `"N: int >= 1"`.
public struct OpSchema: Sendable {
    /// One input or output: a tensor, `count` tensors of one type, or a list of tensors of the types in an attribute.
    public struct Argument: Sendable, Equatable {
        public var name: String
        public var isReference = false
        public var type: ArgumentType
        /// The attribute that says how many there are, for `N * T`.
        public var countAttribute: String?

        public init(name: String, isReference: Bool = false, type: ArgumentType, countAttribute: String? = nil) {
            self.name = name
            self.isReference = isReference
            self.type = type
            self.countAttribute = countAttribute
        }
    }
    public enum ArgumentType: Sendable, Equatable {
        case fixed(DType)
        /// The type is the value of this attribute.
        case attribute(String)
        /// The types are the value of this attribute, a list.
        case list(String)
    }
    public struct AttributeSpec: Sendable, Equatable {
        public var name: String
        public var kind: AttributeKind
        public var minimum: Int?
        public var allowedTypes: DTypeSet?
        public var allowedStrings: [String]?
        public var defaultValue: AttributeValue?

        public init(name: String, kind: AttributeKind) {
            self.name = name
            self.kind = kind
        }
    }
    public enum AttributeKind: String, Sendable {
        case string, int, float, bool, type, shape, tensor, function = "func"
        case strings = "list(string)", ints = "list(int)", floats = "list(float)", bools = "list(bool)"
        case types = "list(type)", shapes = "list(shape)", tensors = "list(tensor)", functions = "list(func)"
    }

    /// The most inputs, and the most outputs, that a node may have.
    public static let maximumPortCount = 1 << 16

    public var inputs: [Argument]
    public var outputs: [Argument]
    public var attributes: [AttributeSpec]

    public init(inputs: [Argument], outputs: [Argument], attributes: [AttributeSpec]) {
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
    }

    public func attribute(_ name: String) -> AttributeSpec? { attributes.first { $0.name == name } }
}

/// The type of one port of a node.
public struct PortType: Sendable, Hashable, CustomStringConvertible {
    public var dtype: DType
    /// Whether the port carries a reference to a variable rather than a value.
    public var isReference: Bool
    public init(_ dtype: DType, isReference: Bool = false) {
        self.dtype = dtype
        self.isReference = isReference
    }
    public var description: String { isReference ? "\(dtype)_ref" : dtype.name }
}

extension OpSchema {
    /// How many ports an argument comes to with these attributes.
    /// - Throws: `invalidArgument` when the attribute that decides it is missing or no such number.
    private func count(_ argument: Argument, _ attributes: Attributes) throws(Status) -> Int {
        if case .list(let name) = argument.type {
            guard let types = attributes.types(name) else { throw OpSchema.missing(name, argument) }
            return types.count
        }
        guard let name = argument.countAttribute else { return 1 }
        guard let count = attributes.int(name) else { throw OpSchema.missing(name, argument) }
        guard (0...OpSchema.maximumPortCount).contains(count) else {
            throw .invalidArgument(
                "attribute '\(name)', the number of '\(argument.name)', must be between 0 and \(OpSchema.maximumPortCount), found \(count)")
        }
        return count
    }
    private static func missing(_ name: String, _ argument: Argument) -> Status {
        .invalidArgument("attribute '\(name)', which decides '\(argument.name)', is missing")
    }

    /// How many ports `arguments` come to with these attributes.
    /// - Throws: `invalidArgument` when an attribute that decides them is missing, or there are more than a node may have.
    public func portCount(_ arguments: [Argument], _ attributes: Attributes) throws(Status) -> Int {
        var total = 0
        for argument in arguments { total += try count(argument, attributes) }
        guard total <= OpSchema.maximumPortCount else {
            throw .invalidArgument("a node has at most \(OpSchema.maximumPortCount) inputs and as many outputs, found \(total)")
        }
        return total
    }

    /// The types of the ports that `arguments` come to with these attributes.
    /// - Throws: as `portCount` does.
    public func ports(_ arguments: [Argument], _ attributes: Attributes) throws(Status) -> [PortType] {
        var ports: [PortType] = []
        // Before there are any: a number takes no room.
        ports.reserveCapacity(try portCount(arguments, attributes))
        for argument in arguments {
            switch argument.type {
            case .list(let name):
                ports += (attributes.types(name) ?? []).map { PortType($0, isReference: argument.isReference) }
            case .fixed(let dtype):
                let port = PortType(dtype, isReference: argument.isReference)
                ports += repeatElement(port, count: try count(argument, attributes))
            case .attribute(let name):
                guard let dtype = attributes.type(name) else { throw OpSchema.missing(name, argument) }
                let port = PortType(dtype, isReference: argument.isReference)
                ports += repeatElement(port, count: try count(argument, attributes))
            }
        }
        return ports
    }

    /// The ranges of ports that each argument takes with these attributes.
    public func ranges(_ arguments: [Argument], _ attributes: Attributes) throws(Status) -> [Range<Int>] {
        var start = 0
        var ranges: [Range<Int>] = []
        for argument in arguments {
            let count = try count(argument, attributes)
            ranges.append(start..<start + count)
            start += count
        }
        return ranges
    }
}
