package import WeirTensor

extension JSONValue {
    /// The most bytes of a text that is parsed.
    package static let maximumByteCount = 16 << 20
    /// The most arrays and objects that contain each other.
    package static let maximumDepth = 64

    /// Parses one JSON value (RFC 8259).
    /// - Throws: `invalidArgument` with the line and the column of the first error: malformed text, a key that an object has twice,
    ///   a number outside of `Double`'s range, or a text that is too long or too deep.
    package init(parsing bytes: [UInt8]) throws(Status) {
        guard bytes.count <= JSONValue.maximumByteCount else {
            throw .invalidArgument("expected JSON of at most \(JSONValue.maximumByteCount) bytes, found \(bytes.count)")
        }
        var parser = JSONParser(bytes)
        self = try parser.document()
    }

    /// Parses one JSON value.
    /// - Throws: as with bytes.
    package init(parsing text: String) throws(Status) { try self.init(parsing: Array(text.utf8)) }
}

/// A recursive-descent parser. The position is always within the bytes, or at their end.
private struct JSONParser {
    private let bytes: [UInt8]
    private var position = 0
    private var depth = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    private var next: UInt8? { position < bytes.count ? bytes[position] : nil }

    mutating func document() throws(Status) -> JSONValue {
        skipSpace()
        let value = try value()
        skipSpace()
        guard position == bytes.count else { throw failure("the end of the text") }
        return value
    }

    private mutating func value() throws(Status) -> JSONValue {
        switch next {
        case UInt8(ascii: "{"): return try nested { (parser) throws(Status) in try parser.object() }
        case UInt8(ascii: "["): return try nested { (parser) throws(Status) in try parser.array() }
        case UInt8(ascii: "\""): return .text(try text())
        case UInt8(ascii: "-"), .some(UInt8(ascii: "0")...UInt8(ascii: "9")): return try number()
        case UInt8(ascii: "t"): return try word("true", .boolean(true))
        case UInt8(ascii: "f"): return try word("false", .boolean(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: throw failure("a value")
        }
    }

    private mutating func nested(_ body: (inout JSONParser) throws(Status) -> JSONValue) throws(Status) -> JSONValue {
        guard depth < JSONValue.maximumDepth else { throw failure("at most \(JSONValue.maximumDepth) arrays and objects in each other") }
        depth += 1
        defer { depth -= 1 }
        position += 1
        skipSpace()
        return try body(&self)
    }

    private mutating func object() throws(Status) -> JSONValue {
        var members: [JSONValue.Member] = []
        var keys: Set<String> = []
        if take("}") { return .object(members) }
        while true {
            let start = position
            guard next == UInt8(ascii: "\"") else { throw failure(members.isEmpty ? "a key in quotes, or '}'" : "a key in quotes") }
            let key = try text()
            guard keys.insert(key).inserted else { throw failure("each key once", found: "'\(key)' again", at: start) }
            skipSpace()
            guard take(":") else { throw failure("':' after the key '\(key)'") }
            skipSpace()
            members.append(JSONValue.Member(key, try value()))
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw failure("',' or '}' after the value of '\(key)'") }
            skipSpace()
        }
    }

    private mutating func array() throws(Status) -> JSONValue {
        var elements: [JSONValue] = []
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value())
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw failure("',' or ']' after an element") }
            skipSpace()
        }
    }

    private mutating func number() throws(Status) -> JSONValue {
        let start = position
        var isInteger = true
        _ = take("-")
        if !take("0") { try digits() }
        if take(".") {
            isInteger = false
            try digits()
        }
        if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
            isInteger = false
            position += 1
            if !take("-") { _ = take("+") }
            try digits()
        }
        let literal = String(decoding: bytes[start..<position], as: UTF8.self)
        if isInteger, let value = Int(literal) { return .integer(value) }
        guard let value = Double(literal), value.isFinite else { throw failure("a number that a Double can hold", found: literal, at: start) }
        return .number(value)
    }

    private mutating func digits() throws(Status) {
        let start = position
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { position += 1 }
        guard position > start else { throw failure("a digit") }
    }

    private mutating func word(_ word: StaticString, _ value: JSONValue) throws(Status) -> JSONValue {
        let text = "\(word)"
        guard bytes[position...].starts(with: text.utf8) else { throw failure(text) }
        position += text.utf8.count
        return value
    }

    /// Parses a string; the next byte is its opening quote.
    private mutating func text() throws(Status) -> String {
        let start = position
        position += 1
        var content: [UInt8] = []
        while let byte = next {
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                guard let text = String(validating: content, as: UTF8.self) else {
                    throw failure("UTF-8 in a string", found: "other bytes", at: start)
                }
                return text
            case UInt8(ascii: "\\"): content.append(contentsOf: String(try escape()).utf8)
            case 0..<0x20: throw failure("no control character in a string")
            default:
                content.append(byte)
                position += 1
            }
        }
        throw failure("'\"' at the end of the string that starts here", found: "the end of the text", at: start)
    }

    private mutating func escape() throws(Status) -> Unicode.Scalar {
        let start = position
        position += 1
        guard let byte = next else { throw failure("an escaped character") }
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            let high = try hexadecimal()
            if let scalar = Unicode.Scalar(high) { return scalar }
            // A character outside the basic plane is two surrogates.
            if (0xd800..<0xdc00).contains(high), take("\\"), take("u") {
                let low = try hexadecimal()
                if (0xdc00..<0xe000).contains(low), let scalar = Unicode.Scalar(0x10000 + (high - 0xd800) << 10 + (low - 0xdc00)) { return scalar }
            }
            throw failure("a pair of surrogates", found: "half of one", at: start)
        default: throw failure("one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t \\u", at: start)
        }
    }

    private mutating func hexadecimal() throws(Status) -> UInt32 {
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let byte = next, let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { throw failure("four hexadecimal digits after \\u") }
            value = value << 4 | UInt32(digit)
            position += 1
        }
        return value
    }

    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard let byte = next, UInt32(byte) == character.value else { return false }
        position += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0a || byte == 0x0d || byte == 0x09 { position += 1 }
    }

    /// The error at a position, by default the current one. A column counts characters from 1.
    private func failure(_ expected: String, found: String? = nil, at start: Int? = nil) -> Status {
        let before = bytes[..<(start ?? position)]
        let line = before.count { $0 == 0x0a } + 1
        let lineStart = before.lastIndex(of: 0x0a).map { $0 + 1 } ?? 0
        // Bytes 10xxxxxx continue a character.
        let column = before[lineStart...].count { $0 & 0xc0 != 0x80 } + 1
        return .invalidArgument("line \(line), column \(column): expected \(expected), found \(found ?? character(at: start ?? position))")
    }

    private func character(at position: Int) -> String {
        guard position < bytes.count else { return "the end of the text" }
        let text = String(decoding: bytes[position...].prefix(4), as: UTF8.self)
        guard let scalar = text.unicodeScalars.first, scalar.value >= 0x20 else { return "byte \(bytes[position])" }
        return "'\(Character(scalar))'"
    }
}
