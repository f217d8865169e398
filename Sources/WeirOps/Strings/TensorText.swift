import Glibc
import WeirKernels
import WeirTensor

/// The text of a tensor in brackets, as in TensorFlow's `tf.print`. Each dimension shows only its first and last elements.
struct TensorText {
    private let tensor: Tensor
    private let dimensions: [Int]
    /// The number of elements that are shown at each end of a dimension.
    private let limit: Int

    /// - Parameter limit: the number of elements at each end of a dimension; negative for all.
    init(_ tensor: Tensor, limit: Int) {
        self.tensor = tensor
        dimensions = tensor.shape.dimensions
        self.limit = limit < 0 ? tensor.elementCount : min(limit, tensor.elementCount)
    }

    func append(to text: inout [UInt8]) {
        switch tensor.dtype {
        case .complex64, .complex128, .resource, .variant: appendUnprintable(to: &text)
        // TensorFlow prints no brackets for a bool tensor if no element is shown.
        case .bool where limit == 0: break
        default:
            if dimensions.isEmpty {
                if limit > 0 { appendElement(0, to: &text) } else { text += "...".utf8 }
            } else {
                appendDimension(0, start: 0, to: &text)
            }
        }
    }

    private func appendDimension(_ dimension: Int, start: Int, to text: inout [UInt8]) {
        if dimension == dimensions.count { return appendElement(start, to: &text) }
        let count = dimensions[dimension]
        // If nothing is shown, the product of the dimensions is not needed, and it could overflow.
        let step = limit == 0 ? 0 : dimensions[(dimension + 1)...].reduce(1, *)
        text.append(UInt8(ascii: "["))
        for index in 0..<min(limit, count) {
            if index > 0 { appendSpace(dimension, to: &text) }
            appendDimension(dimension + 1, start: start + index * step, to: &text)
        }
        if count / 2 > limit || count > 2 * limit {
            appendSpace(dimension, to: &text)
            text += "...".utf8
        }
        for index in max(limit, count - limit)..<max(limit, count) where limit > 0 {
            appendSpace(dimension, to: &text)
            appendDimension(dimension + 1, start: start + index * step, to: &text)
        }
        text.append(UInt8(ascii: "]"))
    }

    /// Appends the separator: a space within a row; else one line feed for each dimension and spaces to align the brackets.
    private func appendSpace(_ dimension: Int, to text: inout [UInt8]) {
        text += repeatElement(UInt8(ascii: "\n"), count: dimensions.count - 1 - dimension)
        text += repeatElement(UInt8(ascii: " "), count: dimension == dimensions.count - 1 ? 1 : dimension + 1)
    }

    private func appendUnprintable(to text: inout [UInt8]) {
        text.append(UInt8(ascii: "["))
        text += (0..<limit).map { _ in "?" }.joined(separator: " ").utf8
        text += (limit < tensor.elementCount ? "...]" : "]").utf8
    }

    private func appendElement(_ index: Int, to text: inout [UInt8]) {
        switch tensor.dtype {
        case .float32: text += float(tensor.elements(Float.self)[index]).utf8
        case .float16: text += float(Float(tensor.elements(Float16.self)[index])).utf8
        case .bfloat16: text += float(tensor.elements(BFloat16.self)[index].float).utf8
        case .float64:
            let value = tensor.elements(Double.self)[index]
            text += printed(value, digits: [15, 17]) { strtod($0, nil) == value }.utf8
        case .int8, .qint8: text += "\(tensor.elements(Int8.self)[index])".utf8
        case .int16, .qint16: text += "\(tensor.elements(Int16.self)[index])".utf8
        case .int32, .qint32: text += "\(tensor.elements(Int32.self)[index])".utf8
        case .int64: text += "\(tensor.elements(Int64.self)[index])".utf8
        case .uint8, .quint8: text += "\(tensor.elements(UInt8.self)[index])".utf8
        case .uint16, .quint16: text += "\(tensor.elements(UInt16.self)[index])".utf8
        case .uint32: text += "\(tensor.elements(UInt32.self)[index])".utf8
        case .uint64: text += "\(tensor.elements(UInt64.self)[index])".utf8
        case .bool: text.append(UInt8(ascii: tensor.elements(Bool.self)[index] ? "1" : "0"))
        case .string: appendQuoted(tensor.elements(ByteString.self)[index].bytes, to: &text)
        case .complex64, .complex128, .resource, .variant: text.append(UInt8(ascii: "?"))
        }
    }

    private func float(_ value: Float) -> String {
        printed(Double(value), digits: [6, 9]) { strtof($0, nil) == value }
    }

    /// Prints with the fewest of `digits` with which the text converts back to the same number.
    private func printed(_ value: Double, digits: [Int], _ isExact: (String) -> Bool) -> String {
        if value.isNaN { return "nan" }
        var text = ""
        for count in digits {
            var buffer = [CChar](repeating: 0, count: 64)
            let length = withVaList([Int32(count), value]) { vsnprintf(&buffer, buffer.count, "%.*g", $0) }
            text = String(decoding: buffer.prefix(Int(length)).map { UInt8(bitPattern: $0) }, as: UTF8.self)
            if isExact(text) { break }
        }
        return text
    }

    private func appendQuoted(_ bytes: [UInt8], to text: inout [UInt8]) {
        text.append(UInt8(ascii: "\""))
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\n"): text += "\\n".utf8
            case UInt8(ascii: "\r"): text += "\\r".utf8
            case UInt8(ascii: "\t"): text += "\\t".utf8
            case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0..<0x20, 0x7f: text += [UInt8(ascii: "\\"), 0x30 + byte >> 6, 0x30 + byte >> 3 & 7, 0x30 + byte & 7]
            default: text.append(byte)
            }
        }
        text.append(UInt8(ascii: "\""))
    }
}
