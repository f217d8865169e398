extension Tensor: CustomStringConvertible {
    /// Shape, dtype and elements, such as `<Tensor shape=[2,2] dtype=int32 [[1, 2], [3, 4]]>`, with one row a line from rank 2 on.
    /// Of a tensor with more than 100 elements only the first and the last three of each dimension are shown.
    public var description: String {
        "<Tensor shape=\(shape) dtype=\(dtype)\(rank > 1 && elementCount > 0 ? "\n" : " ")\(elementText(hasLines: true))>"
    }

    /// The elements in nested brackets, summarized as in `description`.
    /// - Parameter hasLines: whether each row is on a line of its own.
    package func elementText(hasLines: Bool) -> String {
        guard elementCount > 0 else { return "[]" }
        var formatter = ElementFormatter(self, hasLines: hasLines)
        return formatter.text(of: 0, at: 0)
    }

    /// The first `limit` elements as text, separated by spaces.
    public func summary(_ limit: Int) -> String {
        let shown = (0..<max(0, min(limit, elementCount))).map { element($0) }
        return shown.joined(separator: " ") + (elementCount > limit ? "..." : "")
    }

    /// Element `index`, which must be in `0..<elementCount`, as text.
    package func element(_ index: Int) -> String {
        func at<E>(_ type: E.Type) -> E { elements(E.self)[index] }
        switch dtype {
        case .float32: return "\(at(Float.self))"
        case .float64: return "\(at(Double.self))"
        case .float16: return "\(Float(at(Float16.self)))"
        case .bfloat16: return "\(at(BFloat16.self).float)"
        case .int8, .qint8: return "\(at(Int8.self))"
        case .int16, .qint16: return "\(at(Int16.self))"
        case .int32, .qint32: return "\(at(Int32.self))"
        case .int64: return "\(at(Int64.self))"
        case .uint8, .quint8: return "\(at(UInt8.self))"
        case .uint16, .quint16: return "\(at(UInt16.self))"
        case .uint32: return "\(at(UInt32.self))"
        case .uint64: return "\(at(UInt64.self))"
        case .bool: return at(Bool.self) ? "1" : "0"
        case .string: return "\(at(ByteString.self))"
        case .complex64: return "(\(at(Complex64.self).real),\(at(Complex64.self).imaginary))"
        case .complex128: return "(\(at(Complex128.self).real),\(at(Complex128.self).imaginary))"
        case .resource: return at(ResourceHandle.self).name
        case .variant: return "<variant>"
        }
    }
}

/// Formats the elements of a tensor in nested brackets, as NumPy does.
private struct ElementFormatter {
    private static let summarizedCount = 100
    private static let edgeCount = 3
    private let tensor: Tensor
    private let hasLines: Bool
    private let dimensions: [Int]
    /// For each dimension the distance of neighbours in the elements.
    private let strides: [Int]
    /// How many more elements may be shown. With many dimensions even the edges are many elements.
    private var left = 1000

    init(_ tensor: Tensor, hasLines: Bool) {
        self.tensor = tensor
        self.hasLines = hasLines
        dimensions = tensor.shape.dimensions
        var strides = [Int](repeating: 1, count: dimensions.count)
        for index in dimensions.indices.dropLast().reversed() { strides[index] = strides[index + 1] * dimensions[index + 1] }
        self.strides = strides
    }

    /// Returns the text of the part whose first element is at `offset` and whose first dimension is `dimension`.
    mutating func text(of dimension: Int, at offset: Int) -> String {
        guard dimension < dimensions.count else {
            left -= 1
            return element(offset)
        }
        let count = dimensions[dimension]
        let edge = ElementFormatter.edgeCount
        let isCut = tensor.elementCount > ElementFormatter.summarizedCount && count > 2 * edge
        var parts: [String] = []
        for index in isCut ? Array(0..<edge) + Array(count - edge..<count) : Array(0..<count) {
            if left <= 0 || (isCut && index == count - edge) { parts.append("...") }
            if left <= 0 { break }
            parts.append(text(of: dimension + 1, at: offset + index * strides[dimension]))
        }
        let depth = dimensions.count - dimension - 1
        let isLine = hasLines && depth > 0
        let separator = isLine ? "," + String(repeating: "\n", count: depth) + String(repeating: " ", count: dimension + 1) : ", "
        return "[" + parts.joined(separator: separator) + "]"
    }

    private func element(_ index: Int) -> String {
        switch tensor.dtype {
        case .bool: tensor.element(index) == "1" ? "true" : "false"
        case .string: ElementFormatter.quoted(tensor.elements(ByteString.self)[index])
        default: tensor.element(index)
        }
    }

    /// The text in quotes, at most 80 bytes of it.
    private static func quoted(_ text: ByteString) -> String {
        let bytes = text.bytes
        return String(decoding: bytes.prefix(80), as: UTF8.self).debugDescription + (bytes.count > 80 ? "..." : "")
    }
}
