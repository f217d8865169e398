import Glibc
package import WeirTensor

// Tensors as text, in the format of TensorFlow's Assert and Print ops.

extension Tensor {
    /// Returns the first `limit` elements with rows in brackets: `[1 2][3...]...`. A negative `limit` means all elements.
    package func summarizedValue(_ limit: Int) -> String {
        let limit = limit < 0 ? elementCount : min(limit, elementCount)
        var text = ""
        var next = 0
        let isNested = rank > 1 && dtype != .variant && dtype != .resource && !dtype.isComplex
        if isNested {
            appendDimension(0, limit, &next, &text)
        } else {
            text = (0..<limit).map { printedElement($0) }.joined(separator: " ")
        }
        return elementCount > limit ? text + "..." : text
    }

    private func appendDimension(_ axis: Int, _ limit: Int, _ next: inout Int, _ text: inout String) {
        guard next < limit else { return }
        guard axis == rank - 1 else {
            // Without this check an empty tensor with a huge dimension would loop for ever.
            guard elementCount > 0 else { return }
            for _ in 0..<dimension(axis) where next < limit {
                text += "["
                appendDimension(axis + 1, limit, &next, &text)
                text += "]"
            }
            return
        }
        for index in 0..<dimension(axis) {
            guard next < limit else {
                text += "..."
                return
            }
            if index > 0 { text += " " }
            text += printedElement(next)
            next += 1
        }
    }

    private func printedElement(_ index: Int) -> String {
        switch dtype {
        case .float32: PrintedNumber.text(elements(Float.self)[index])
        case .float16: PrintedNumber.text(Float(elements(Float16.self)[index]))
        case .bfloat16: PrintedNumber.text(elements(BFloat16.self)[index].float)
        case .float64: PrintedNumber.text(elements(Double.self)[index])
        case .string: PrintedNumber.escaped(elements(ByteString.self)[index].bytes)
        case .complex64, .complex128, .resource, .variant: "?"
        default: element(index)
        }
    }
}

/// The text of numbers and strings in TensorFlow's format.
package enum PrintedNumber {
    /// Returns six digits if they parse back to the same number, otherwise nine.
    package static func text(_ value: Float) -> String {
        let short = formatted("%.6g", Double(value))
        return Float(short) == value || !value.isFinite ? short : formatted("%.9g", Double(value))
    }
    /// Returns fifteen digits if they parse back to the same number, otherwise seventeen.
    package static func text(_ value: Double) -> String {
        let short = formatted("%.15g", value)
        return Double(short) == value || !value.isFinite ? short : formatted("%.17g", value)
    }
    private static func formatted(_ format: String, _ value: Double) -> String {
        if value.isNaN { return "nan" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 64) { buffer in
            withVaList([value]) { _ = vsnprintf(buffer.baseAddress, buffer.count, format, $0) }
            return buffer.baseAddress.map { String(cString: $0) } ?? ""
        }
    }

    /// Returns bytes escaped as in a C string literal.
    package static func escaped(_ bytes: [UInt8]) -> String {
        var text = ""
        for byte in bytes {
            switch byte {
            case 10: text += "\\n"
            case 13: text += "\\r"
            case 9: text += "\\t"
            case 34: text += "\\\""
            case 39: text += "\\'"
            case 92: text += "\\\\"
            case 32..<127: text.unicodeScalars.append(Unicode.Scalar(byte))
            default:
                let digits = String(byte, radix: 8)
                text += "\\" + String(repeating: "0", count: 3 - digits.count) + digits
            }
        }
        return text
    }
}
