import WeirTensor

/// Parses protobuf's text format for flat messages of strings and numbers: `name: "value"`, `name: [1, 2]`.
struct ProtoText {
    private let bytes: [UInt8]
    private var position = 0

    init(_ text: String) { bytes = Array(text.utf8) }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    /// The next field with its values (one, or the elements of a list); nil at the end.
    mutating func field() throws(Status) -> (name: String, values: [String])? {
        skip(alsoSeparators: true)
        guard let name = word() else {
            if next == nil { return nil }
            throw problem("expected a field name")
        }
        guard take(":") else { throw problem("expected ':' after \(name)") }
        guard take("[") else { return (name, [try value()]) }
        var values: [String] = []
        if take("]") { return (name, values) }
        repeat { values.append(try value()) } while take(",")
        guard take("]") else { throw problem("expected ']' after the values of \(name)") }
        return (name, values)
    }

    static func number(_ text: String) throws(Status) -> Double {
        guard let number = Double(text) else { throw .dataLoss("text format: '\(text)' is not a number") }
        return number
    }

    /// Quotes a string. Bytes other than printable ASCII are escaped as protobuf does.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for byte in text.utf8 {
            switch byte {
            case UInt8(ascii: "\n"): result += "\\n"
            case UInt8(ascii: "\r"): result += "\\r"
            case UInt8(ascii: "\t"): result += "\\t"
            case UInt8(ascii: "\""), UInt8(ascii: "'"), UInt8(ascii: "\\"):
                result += "\\\(Character(Unicode.Scalar(byte)))"
            case 0x20..<0x7f: result.unicodeScalars.append(Unicode.Scalar(byte))
            default: result += "\\" + [byte >> 6, byte >> 3 & 7, byte & 7].map { String($0) }.joined()
            }
        }
        return result + "\""
    }

    private mutating func value() throws(Status) -> String {
        skip()
        guard isAtQuote else {
            guard let word = word() else { throw problem("expected a value") }
            return word
        }
        var text: [UInt8] = []
        // Adjacent strings are concatenated.
        while isAtQuote {
            let quote = next
            position += 1
            while next != quote {
                let byte = try byte(orMissing: "a closing quote")
                text.append(byte == UInt8(ascii: "\\") ? try escaped() : byte)
            }
            position += 1
            skip()
        }
        return String(decoding: text, as: UTF8.self)
    }

    private var isAtQuote: Bool { next == UInt8(ascii: "\"") || next == UInt8(ascii: "'") }

    private mutating func escaped() throws(Status) -> UInt8 {
        switch try byte(orMissing: "an escaped character") {
        case UInt8(ascii: "n"): return 10
        case UInt8(ascii: "r"): return 13
        case UInt8(ascii: "t"): return 9
        case UInt8(ascii: "x"): return try digits(base: 16, atMost: 2)
        case UInt8(ascii: "0")...UInt8(ascii: "7"):
            position -= 1
            return try digits(base: 8, atMost: 3)
        case let byte: return byte
        }
    }

    private mutating func digits(base: Int, atMost count: Int) throws(Status) -> UInt8 {
        let start = position
        var value = 0
        while position < start + count, let byte = next,
            let digit = Character(Unicode.Scalar(byte)).hexDigitValue, digit < base
        {
            value = value * base + digit
            position += 1
        }
        guard position > start, let byte = UInt8(exactly: value) else { throw problem("expected an escaped byte") }
        return byte
    }

    private mutating func byte(orMissing what: String) throws(Status) -> UInt8 {
        guard let byte = next else { throw problem("expected \(what)") }
        position += 1
        return byte
    }

    /// Reads letters, digits and the other characters of numbers.
    private mutating func word() -> String? {
        let start = position
        while let byte = next, Self.isWord(byte) { position += 1 }
        return position == start ? nil : String(decoding: bytes[start..<position], as: UTF8.self)
    }

    private static func isWord(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"): true
        case UInt8(ascii: "0")...UInt8(ascii: "9"): true
        default: "_+-.".utf8.contains(byte)
        }
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        skip()
        guard next == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    /// Skips blanks and comments.
    private mutating func skip(alsoSeparators: Bool = false) {
        while let byte = next {
            switch byte {
            case 9, 10, 13, 32: position += 1
            case UInt8(ascii: ","), UInt8(ascii: ";"):
                guard alsoSeparators else { return }
                position += 1
            case UInt8(ascii: "#"): position = bytes[position...].firstIndex(of: 10) ?? bytes.count
            default: return
            }
        }
    }

    private func problem(_ what: String) -> Status {
        .dataLoss("text format: \(what), found '\(String(decoding: bytes[position...].prefix(20), as: UTF8.self))'")
    }
}
