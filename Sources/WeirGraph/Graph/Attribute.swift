public import WeirTensor

/// The value of a node's attribute: TensorFlow's `AttrValue`.
public indirect enum AttributeValue: Sendable, Equatable {
    case string(ByteString)
    case int(Int)
    case float(Float)
    case bool(Bool)
    case type(DType)
    case shape(PartialShape)
    case tensor(Tensor)
    case function(FunctionReference)
    /// In a function's body: stands for the caller's attribute of this name.
    case placeholder(String)
    case strings([ByteString])
    case ints([Int])
    case floats([Float])
    case bools([Bool])
    case types([DType])
    case shapes([PartialShape])
    case tensors([Tensor])
    case functions([FunctionReference])
    /// A list without elements. Its kind is unknown, because the wire format does not tell it.
    case emptyList

    /// A string attribute with this text in UTF-8.
    public static func string(_ text: String) -> AttributeValue { .string(ByteString(text)) }
}

extension AttributeValue: ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral, ExpressibleByFloatLiteral,
    ExpressibleByStringLiteral
{
    /// A `bool`.
    public init(booleanLiteral value: Bool) { self = .bool(value) }
    /// An `int`.
    public init(integerLiteral value: Int) { self = .int(value) }
    /// A `float`.
    public init(floatLiteral value: Float) { self = .float(value) }
    /// A `string`, in UTF-8.
    public init(stringLiteral value: String) { self = .string(ByteString(value)) }
}

/// The name of a library function and the attributes that it is called with: TensorFlow's `NameAttrList`.
public struct FunctionReference: Sendable, Equatable {
    /// The function's name in the library.
    public var name: String
    /// The values of the function's attributes.
    public var attributes: [String: AttributeValue]
    /// A reference to the function of this name.
    public init(_ name: String, attributes: [String: AttributeValue] = [:]) {
        self.name = name
        self.attributes = attributes
    }
}

/// Attributes by name, with typed look-ups. A look-up returns nil if the attribute is missing or of another kind.
public struct Attributes: Sendable, Equatable, ExpressibleByDictionaryLiteral, Sequence {
    /// The values by attribute name.
    public var values: [String: AttributeValue]
    /// Attributes with these values.
    public init(_ values: [String: AttributeValue] = [:]) { self.values = values }
    /// If a name occurs twice, the last value counts.
    public init(dictionaryLiteral elements: (String, AttributeValue)...) {
        values = Dictionary(elements, uniquingKeysWith: { $1 })
    }
    /// The value of an attribute; nil if it is missing.
    public subscript(name: String) -> AttributeValue? {
        get { values[name] }
        set { values[name] = newValue }
    }
    /// Iterates over names and values, in no particular order.
    public func makeIterator() -> Dictionary<String, AttributeValue>.Iterator { values.makeIterator() }

    /// The attribute's value as `read` converts it; nil if it is missing or `read` returns nil.
    public func find<T>(_ name: String, _ read: (AttributeValue) -> T?) -> T? { values[name].flatMap(read) }
    /// The string, as text.
    public func string(_ name: String) -> String? { bytes(name)?.description }
    /// The string, as bytes.
    public func bytes(_ name: String) -> ByteString? { if case .string(let v)? = values[name] { v } else { nil } }
    /// The integer.
    public func int(_ name: String) -> Int? { if case .int(let v)? = values[name] { v } else { nil } }
    /// The float.
    public func float(_ name: String) -> Float? { if case .float(let v)? = values[name] { v } else { nil } }
    /// The bool.
    public func bool(_ name: String) -> Bool? { if case .bool(let v)? = values[name] { v } else { nil } }
    /// The element type.
    public func type(_ name: String) -> DType? { if case .type(let v)? = values[name] { v } else { nil } }
    /// The shape.
    public func shape(_ name: String) -> PartialShape? { if case .shape(let v)? = values[name] { v } else { nil } }
    /// The tensor.
    public func tensor(_ name: String) -> Tensor? { if case .tensor(let v)? = values[name] { v } else { nil } }
    /// The function.
    public func function(_ name: String) -> FunctionReference? {
        if case .function(let v)? = values[name] { v } else { nil }
    }
    /// The list of strings. Here and below an empty list of unknown kind counts as an empty list of the requested kind.
    public func strings(_ name: String) -> [ByteString]? {
        switch values[name] {
        case .strings(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of integers.
    public func ints(_ name: String) -> [Int]? {
        switch values[name] {
        case .ints(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of floats.
    public func floats(_ name: String) -> [Float]? {
        switch values[name] {
        case .floats(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of bools.
    public func bools(_ name: String) -> [Bool]? {
        switch values[name] {
        case .bools(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of element types.
    public func types(_ name: String) -> [DType]? {
        switch values[name] {
        case .types(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of shapes.
    public func shapes(_ name: String) -> [PartialShape]? {
        switch values[name] {
        case .shapes(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
    /// The list of functions.
    public func functions(_ name: String) -> [FunctionReference]? {
        switch values[name] {
        case .functions(let v)?: v
        case .emptyList?: []
        default: nil
        }
    }
}
