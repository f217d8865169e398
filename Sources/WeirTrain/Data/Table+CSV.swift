import WeirTensor
import WeirWire

extension Table {
    /// Reads a CSV file with a header row (RFC 4180).
    /// - Parameter label: the column with the classes; nil means the last. All others must have numbers.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` with row and column of the first error.
    public init(csvFile path: String, label: String? = nil) throws {
        try self.init(CSVParser(InputFile.contents(of: path), source: path), label: label)
    }

    /// Parses CSV text with a header row (RFC 4180).
    /// - Parameters:
    ///   - source: names the text in errors.
    ///   - label: the column with the classes; nil means the last. All others must have numbers.
    /// - Throws: `invalidArgument` with row and column of the first error.
    public init(csv text: String, source: String, label: String? = nil) throws {
        try self.init(CSVParser(Array(text.utf8), source: source), label: label)
    }

    private init(_ text: CSVParser, label: String?) throws(Status) {
        var parser = text
        let source = parser.source
        guard let header = try parser.next() else { throw .invalidArgument("\(source): expected a header row, found an empty file") }
        let columns = header.fields.map(\.text)
        guard columns.count >= 2 else {
            let other = columns.first?.first { ";\t|".contains($0) }
            let hint = other.map { "; columns are separated by commas, found '\($0 == "\t" ? "\\t" : String($0))'" } ?? ""
            throw .invalidArgument("\(source): row 1: expected numeric columns and a label, found \(columns.count) column\(hint)")
        }
        guard let labelColumn = label.map({ columns.firstIndex(of: $0) }) ?? columns.count - 1 else {
            throw .invalidArgument("\(source): row 1: expected a column '\(label ?? "")', found \(columns.joined(separator: ", "))")
        }
        var features = columns
        features.remove(at: labelColumn)
        try parser.checkHeader(features)
        var names = ClassNames()
        var labels: [Int32] = []
        var numbers: [Float] = []
        while let record = try parser.next() {
            guard record.fields.count == columns.count else {
                throw .invalidArgument("\(source): row \(record.line): expected \(columns.count) columns, found \(record.fields.count)")
            }
            for (column, field) in record.fields.enumerated() where column != labelColumn {
                guard let value = Float(field.text), value.isFinite else {
                    throw .invalidArgument(
                        "\(source): row \(record.line), column \(column + 1) ('\(columns[column])'): expected a number, found '\(field.text)'")
                }
                numbers.append(value)
            }
            let label = record.fields[labelColumn].text
            guard !label.isEmpty else {
                throw .invalidArgument("\(source): row \(record.line), column \(labelColumn + 1): expected a label, found nothing")
            }
            labels.append(names.number(of: label))
        }
        guard !labels.isEmpty else { throw .invalidArgument("\(source): expected rows after the header, found none") }
        guard names.all.count >= 2 else {
            throw .invalidArgument("\(source): expected at least two different labels, found only '\(names.all[0])'")
        }
        // The label is the last of the names.
        var ordered = columns
        ordered.append(ordered.remove(at: labelColumn))
        self.init(columns: ordered, classes: names.all, values: numbers, labels: labels)
    }
}

/// Numbers for the names of classes, in order of first appearance.
struct ClassNames {
    private(set) var all: [String] = []
    private var numbers: [String: Int32] = [:]

    mutating func number(of name: String) -> Int32 {
        if let known = numbers[name] { return known }
        let number = Int32(clamping: all.count)
        numbers[name] = number
        all.append(name)
        return number
    }
}
