import WeirTensor

/// Reads records of comma-separated values, RFC 4180: fields may be quoted, and then have commas, line ends, and quotes as `""`. Blanks
/// around a field are left out, and so are blank lines. Lines end in `\n`, `\r\n` or `\r`.
struct CSVParser {
    struct Field: Hashable, Sendable {
        var text: String
        /// Whether it was quoted, so that nothing means an empty text.
        var isQuoted: Bool
    }

    /// Names the text in errors.
    let source: String
    private let bytes: [UInt8]
    private let delimiter: UInt8
    private var position = 0
    /// The number of the line at the position, from 1.
    private var line = 1

    init(_ bytes: [UInt8], delimiter: UInt8 = UInt8(ascii: ","), source: String) {
        self.bytes = bytes
        self.delimiter = delimiter
        self.source = source
        // Some programs begin a text with a mark that it is UTF-8.
        if bytes.starts(with: [0xef, 0xbb, 0xbf]) { position = 3 }
    }

    /// The next record, with the number of the line that it begins in; nil at the end.
    /// - Throws: `invalidArgument` with line and column when a quoted field does not end, more follows it, or a field is not UTF-8.
    mutating func next() throws(Status) -> (line: Int, fields: [Field])? {
        while position < bytes.count {
            let start = line
            var fields: [Field] = []
            repeat { fields.append(try field(fields.count + 1)) } while take(delimiter)
            endLine()
            if fields.count == 1, fields[0].text.isEmpty, !fields[0].isQuoted { continue }
            return (start, fields)
        }
        return nil
    }

    private mutating func field(_ number: Int) throws(Status) -> Field {
        skipBlanks()
        if position < bytes.count, bytes[position] == UInt8(ascii: "\"") { return Field(text: try quoted(number), isQuoted: true) }
        let start = position
        while position < bytes.count, bytes[position] != delimiter, !isLineEnd(bytes[position]) { position += 1 }
        var end = position
        while end > start, isBlank(bytes[end - 1]) { end -= 1 }
        return Field(text: try text(bytes[start..<end], number, line), isQuoted: false)
    }

    /// Reads a quoted field; the next byte is its opening quote.
    private mutating func quoted(_ number: Int) throws(Status) -> String {
        let quote = UInt8(ascii: "\"")
        let first = line
        position += 1
        var content: [UInt8] = []
        while true {
            guard position < bytes.count else {
                throw .invalidArgument(
                    "\(source): row \(first), column \(number): expected '\"' at the end of the field that begins here, found the end of the file")
            }
            let byte = bytes[position]
            position += 1
            if byte == quote {
                guard position < bytes.count, bytes[position] == quote else { break }
                position += 1
            } else if byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") && !(position < bytes.count && bytes[position] == UInt8(ascii: "\n")) {
                line += 1
            }
            content.append(byte)
        }
        skipBlanks()
        guard position == bytes.count || bytes[position] == delimiter || isLineEnd(bytes[position]) else {
            let found = Character(Unicode.Scalar(bytes[position]))
            throw .invalidArgument(
                "\(source): row \(line), column \(number): expected '\(Character(Unicode.Scalar(delimiter)))' or the end of the line "
                    + "after a quoted field, found '\(found)'"
            )
        }
        return try text(content[...], number, first)
    }

    private func text(_ bytes: ArraySlice<UInt8>, _ number: Int, _ line: Int) throws(Status) -> String {
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .invalidArgument("\(source): row \(line), column \(number): expected UTF-8, found other bytes")
        }
        return text
    }

    private func isLineEnd(_ byte: UInt8) -> Bool { byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "\r") }
    private func isBlank(_ byte: UInt8) -> Bool { byte == UInt8(ascii: " ") || byte == UInt8(ascii: "\t") && delimiter != UInt8(ascii: "\t") }

    private mutating func skipBlanks() { while position < bytes.count, isBlank(bytes[position]) { position += 1 } }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func endLine() {
        guard position < bytes.count else { return }
        if take(UInt8(ascii: "\r")) { _ = take(UInt8(ascii: "\n")) } else { _ = take(UInt8(ascii: "\n")) }
        line += 1
    }
}
