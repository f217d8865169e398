/// Writes JSON (RFC 8259).
enum JSONText {
    /// A string in quotes. Control characters, quotes and backslashes are escaped.
    static func string(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// An object with the members in this order. The values are JSON.
    static func object(_ members: [(name: String, value: String)]) -> String {
        "{" + members.map { "\(string($0.name)):\($0.value)" }.joined(separator: ",") + "}"
    }

    /// An array. The elements are JSON.
    static func array(_ elements: [String]) -> String { "[" + elements.joined(separator: ",") + "]" }

    /// A number; null if it is not finite.
    static func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }

    /// Nanoseconds as microseconds with three decimals, without rounding.
    static func microseconds(_ nanoseconds: Int) -> String {
        let (whole, rest) = (nanoseconds.magnitude / 1000, "\(nanoseconds.magnitude % 1000)")
        return "\(nanoseconds < 0 ? "-" : "")\(whole).\(String(repeating: "0", count: 3 - rest.count))\(rest)"
    }
}
