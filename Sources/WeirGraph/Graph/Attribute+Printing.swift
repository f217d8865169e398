import WeirTensor

extension AttributeValue: CustomStringConvertible {
    /// The value in TensorFlow's notation: a string in quotes, a list in brackets. Long strings, lists and tensors are shortened.
    public var description: String {
        switch self {
        case .string(let value): AttributeValue.quoted(value)
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .type(let value): "\(value)"
        case .shape(let value): "\(value)"
        case .tensor(let value): AttributeValue.text(value)
        case .function(let value): "\(value)"
        case .placeholder(let name): "$\(name)"
        case .strings(let values): AttributeValue.list(values, AttributeValue.quoted)
        case .ints(let values): AttributeValue.list(values) { "\($0)" }
        case .floats(let values): AttributeValue.list(values) { "\($0)" }
        case .bools(let values): AttributeValue.list(values) { "\($0)" }
        case .types(let values): AttributeValue.list(values) { "\($0)" }
        case .shapes(let values): AttributeValue.list(values) { "\($0)" }
        case .tensors(let values): AttributeValue.list(values, AttributeValue.text)
        case .functions(let values): AttributeValue.list(values) { "\($0)" }
        case .emptyList: "[]"
        }
    }

    private static func quoted(_ text: ByteString) -> String {
        String(decoding: text.bytes.prefix(80), as: UTF8.self).debugDescription + (text.count > 80 ? "..." : "")
    }
    private static func text(_ tensor: Tensor) -> String { "\(tensor.dtype)\(tensor.shape) \(tensor.elementText(hasLines: false))" }
    private static func list<T>(_ values: [T], _ text: (T) -> String) -> String {
        "[" + (values.prefix(20).map(text) + (values.count > 20 ? ["..."] : [])).joined(separator: ", ") + "]"
    }
}

extension Attributes: CustomStringConvertible {
    /// The attributes sorted by name, such as `[T=float, transpose_a=false]`.
    public var description: String { Attributes.text(values) }

    static func text(_ values: [String: AttributeValue]) -> String {
        "[" + values.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: ", ") + "]"
    }
}

extension FunctionReference: CustomStringConvertible {
    /// The function's name, with its attributes if it has any.
    public var description: String { attributes.isEmpty ? name : name + Attributes.text(attributes) }
}
