/// A value that can be fed in place of a tensor: a tensor, a number, a Boolean, a text, or nested arrays of them.
///
/// ```swift
/// try await session.run(y, feeding: [x: [[1, 2], [3, 4]], rate: 0.5])
/// ```
/// Literals take the element type of the output that they are fed to.
public protocol TensorConvertible: Sendable {
    /// The value, before its element type is chosen.
    var tensorLiteral: TensorLiteral { get }
}

/// A value whose element type is not chosen yet.
public enum TensorLiteral: Sendable {
    /// A tensor, whose element type is fixed.
    case tensor(Tensor)
    /// An integer. It can become any type of number.
    case integer(Int)
    /// A floating number. It can become any floating type.
    case number(Double)
    /// A Boolean.
    case bool(Bool)
    /// A text, an element of a string tensor.
    case text(String)
    /// Values of one shape along a new first dimension.
    case list([TensorLiteral])
}

extension TensorConvertible {
    /// The value as a tensor.
    ///
    /// - Parameter dtype: the element type; when nil, `int32` for integers, `float32` where there is a floating number,
    ///   `bool` and `string`.
    /// - Throws: `invalidArgument` when the rows of an array have different shapes, or a value is not of this type; the
    ///   message says which.
    public func tensor(_ dtype: DType? = nil) throws(Status) -> Tensor { try tensorLiteral.tensor(dtype) }
}

extension Tensor: TensorConvertible {
    /// The tensor itself.
    public var tensorLiteral: TensorLiteral { .tensor(self) }
}
extension Int: TensorConvertible {
    /// An integer of any type.
    public var tensorLiteral: TensorLiteral { .integer(self) }
}
extension Double: TensorConvertible {
    /// A floating number of any type.
    public var tensorLiteral: TensorLiteral { .number(self) }
}
extension Float: TensorConvertible {
    /// A floating number of any type.
    public var tensorLiteral: TensorLiteral { .number(Double(self)) }
}
extension Bool: TensorConvertible {
    /// A Boolean.
    public var tensorLiteral: TensorLiteral { .bool(self) }
}
extension String: TensorConvertible {
    /// A text.
    public var tensorLiteral: TensorLiteral { .text(self) }
}
extension Array: TensorConvertible where Element: TensorConvertible {
    /// The elements along a new first dimension.
    public var tensorLiteral: TensorLiteral { .list(map(\.tensorLiteral)) }
}

extension TensorLiteral {
    func tensor(_ dtype: DType?) throws(Status) -> Tensor {
        if case .tensor(let tensor) = self {
            guard dtype == nil || dtype == tensor.dtype else {
                throw .invalidArgument("Expected a tensor of \(dtype?.name ?? ""), found one of \(tensor.dtype)")
            }
            return tensor
        }
        var shape: [Int] = []
        var first = self
        while case .list(let items) = first {
            shape.append(items.count)
            guard let next = items.first else { break }
            first = next
        }
        var leaves: [TensorLiteral] = []
        try flatten(shape[...], at: [], into: &leaves)
        return try TensorLiteral.tensor(leaves, dtype ?? TensorLiteral.dtype(of: leaves), Shape(validating: shape))
    }

    /// Adds the innermost values in order.
    private func flatten(_ shape: ArraySlice<Int>, at position: [Int], into leaves: inout [TensorLiteral]) throws(Status) {
        guard case .list(let items) = self else {
            guard shape.isEmpty else { throw .invalidArgument("Expected an array of \(shape[shape.startIndex]) at \(position), found one value") }
            leaves.append(self)
            return
        }
        guard let count = shape.first else { throw .invalidArgument("Expected one value at \(position), found an array of \(items.count)") }
        guard items.count == count else { throw .invalidArgument("Expected an array of \(count) at \(position), found one of \(items.count)") }
        for (index, item) in items.enumerated() { try item.flatten(shape.dropFirst(), at: position + [index], into: &leaves) }
    }

    private static func dtype(of leaves: [TensorLiteral]) -> DType {
        var dtype = DType.int32
        for leaf in leaves {
            switch leaf {
            case .number: dtype = .float32
            case .bool: return .bool
            case .text: return .string
            case .tensor(let tensor): return tensor.dtype
            case .integer, .list: break
            }
        }
        return leaves.isEmpty ? .float32 : dtype
    }

    private static func tensor(_ leaves: [TensorLiteral], _ dtype: DType, _ shape: Shape) throws(Status) -> Tensor {
        func fill<E: TensorElement>(_ type: E.Type, _ element: (TensorLiteral) -> E?) throws(Status) -> Tensor {
            let tensor = try Tensor(dtype, shape)
            let elements = tensor.mutableElements(E.self)
            for (index, leaf) in leaves.enumerated() {
                guard let value = element(leaf) else { throw .invalidArgument("Expected values of \(dtype), found \(leaf.text)") }
                elements[index] = value
            }
            return tensor
        }
        func integers<E: TensorElement & FixedWidthInteger>(_ type: E.Type) throws(Status) -> Tensor {
            try fill(E.self) { if case .integer(let value) = $0 { E(exactly: value) } else { nil } }
        }
        switch dtype {
        case .float32: return try fill(Float.self) { $0.double.map { Float($0) } }
        case .float64: return try fill(Double.self) { $0.double }
        case .float16: return try fill(Float16.self) { $0.double.map { Float16($0) } }
        case .bfloat16: return try fill(BFloat16.self) { $0.double.map { BFloat16(Float($0)) } }
        case .int8: return try integers(Int8.self)
        case .int16: return try integers(Int16.self)
        case .int32: return try integers(Int32.self)
        case .int64: return try integers(Int64.self)
        case .uint8: return try integers(UInt8.self)
        case .uint16: return try integers(UInt16.self)
        case .uint32: return try integers(UInt32.self)
        case .uint64: return try integers(UInt64.self)
        case .bool: return try fill(Bool.self) { if case .bool(let value) = $0 { value } else { nil } }
        case .string: return try fill(ByteString.self) { if case .text(let text) = $0 { ByteString(text) } else { nil } }
        default: throw .invalidArgument("Expected a tensor of \(dtype), found \(leaves.first?.text ?? "an empty array"): no literal is of this type")
        }
    }

    private var double: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .number(let value): value
        default: nil
        }
    }
    private var text: String {
        switch self {
        case .integer(let value): "\(value)"
        case .number(let value): "\(value)"
        case .bool(let value): "\(value)"
        case .text(let text): "\"\(text)\""
        case .tensor(let tensor): "\(tensor)"
        case .list(let items): "an array of \(items.count)"
        }
    }
}
