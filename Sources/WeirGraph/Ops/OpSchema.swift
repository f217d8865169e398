public import WeirTensor

/// An op's inputs, outputs and attributes: TensorFlow's `OpDef`, the part of an op that is sent to other processes.
///
/// Schemas are written in the notation of TensorFlow's op registrations, so that they can be compared with TensorFlow's:
/// `"(a: T, b: T) -> (product: T)"`, `"transpose_a: bool = false"`, `"T: {half, float, double}"`, `"N: int >= 1"`.
public struct OpSchema: Sendable {
    /// One input or output: a tensor, `count` tensors of one type, or a list of tensors whose types are in an attribute.
    /// TensorFlow's `ArgDef`.
    public struct Argument: Sendable, Equatable {
        /// The argument's name, unique among the op's inputs or outputs.
        public var name: String
        /// Whether the argument is a reference to a variable rather than a value.
        public var isReference = false
        /// The element type, or the attribute that gives it.
        public var type: ArgumentType
        /// The attribute that gives the number of tensors, for `N * T`.
        public var countAttribute: String?

        /// An argument of one tensor, or of as many as `countAttribute` says.
        public init(name: String, isReference: Bool = false, type: ArgumentType, countAttribute: String? = nil) {
            self.name = name
            self.isReference = isReference
            self.type = type
            self.countAttribute = countAttribute
        }
    }
    /// How the element type of an argument is determined.
    public enum ArgumentType: Sendable, Equatable {
        /// Always this type.
        case fixed(DType)
        /// The value of this attribute, of kind `type`.
        case attribute(String)
        /// The values of this attribute, of kind `list(type)`: one tensor for each.
        case list(String)
    }
    /// One attribute and its constraints: TensorFlow's `AttrDef`.
    public struct AttributeSpec: Sendable, Equatable {
        /// The attribute's name.
        public var name: String
        /// The kind of value that the attribute holds.
        public var kind: AttributeKind
        /// The smallest integer, or the smallest length of a list; nil if there is none.
        public var minimum: Int?
        /// The element types that the attribute may hold; nil if any.
        public var allowedTypes: DTypeSet?
        /// The strings that the attribute may hold; nil if any.
        public var allowedStrings: [String]?
        /// The value of a node that does not give one; nil if the attribute is required.
        public var defaultValue: AttributeValue?

        /// A required attribute without constraints.
        public init(name: String, kind: AttributeKind) {
            self.name = name
            self.kind = kind
        }
    }
    /// The kinds of attribute values. The raw value is TensorFlow's name of the kind.
    public enum AttributeKind: String, Sendable {
        case string, int, float, bool, type, shape, tensor, function = "func"
        case strings = "list(string)", ints = "list(int)", floats = "list(float)", bools = "list(bool)"
        case types = "list(type)", shapes = "list(shape)", tensors = "list(tensor)", functions = "list(func)"
    }

    /// The maximum number of inputs, and of outputs, of a node.
    public static let maximumPortCount = 1 << 16

    /// The inputs, in order.
    public var inputs: [Argument]
    /// The outputs, in order.
    public var outputs: [Argument]
    /// The attributes, in the order in which they are declared.
    public var attributes: [AttributeSpec]

    /// A schema of these parts. They are not checked.
    public init(inputs: [Argument], outputs: [Argument], attributes: [AttributeSpec]) {
        self.inputs = inputs
        self.outputs = outputs
        self.attributes = attributes
    }

    /// The attribute of this name; nil if there is none.
    public func attribute(_ name: String) -> AttributeSpec? { attributes.first { $0.name == name } }
}

/// The type of one port (input or output) of a node.
public struct PortType: Sendable, Hashable, CustomStringConvertible {
    /// The element type.
    public var dtype: DType
    /// Whether the port carries a reference to a variable rather than a value.
    public var isReference: Bool
    /// A port of this element type.
    public init(_ dtype: DType, isReference: Bool = false) {
        self.dtype = dtype
        self.isReference = isReference
    }
    /// TensorFlow's name of the type, `float`, or `float_ref` for a reference.
    public var description: String { isReference ? "\(dtype)_ref" : dtype.name }
}

extension OpSchema {
    /// The number of ports of an argument, given these attributes.
    /// - Throws: `invalidArgument` when the attribute that determines the number is missing or out of range.
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

    /// The number of ports of all `arguments`, given these attributes.
    /// - Throws: `invalidArgument` when an attribute that determines the number is missing or out of range, or when there are
    ///   more ports than a node may have.
    public func portCount(_ arguments: [Argument], _ attributes: Attributes) throws(Status) -> Int {
        var total = 0
        for argument in arguments { total += try count(argument, attributes) }
        guard total <= OpSchema.maximumPortCount else {
            throw .invalidArgument("a node has at most \(OpSchema.maximumPortCount) inputs and as many outputs, found \(total)")
        }
        return total
    }

    /// The types of the ports of all `arguments`, in order, given these attributes.
    /// - Throws: `invalidArgument` as `portCount` does, and when a type attribute is missing.
    public func ports(_ arguments: [Argument], _ attributes: Attributes) throws(Status) -> [PortType] {
        var ports: [PortType] = []
        // `portCount` limits the number before any memory is allocated.
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

    /// The range of port indices of each argument, given these attributes.
    /// - Throws: `invalidArgument` when an attribute that determines a number of ports is missing or out of range.
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
