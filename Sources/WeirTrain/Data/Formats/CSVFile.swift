public import WeirTensor
import WeirWire

/// How a CSV file is read.
public struct CSVOptions: Sendable {
    /// What is done about a missing number.
    public enum MissingValues: Hashable, Sendable {
        /// The file is refused, with the place of the first one.
        case refuse
        /// The number is taken for it.
        case replace(Float)
        /// The mean of the column's other numbers is taken for it.
        case mean
        /// The row is left out.
        case dropRow
    }

    /// The columns whose texts are classes: they become class numbers of type `int32`, in order of first appearance.
    public var classes: [String]
    /// Whether the first row has the names of the columns; otherwise they are `column1`, `column2`…
    public var hasHeader = true
    /// The character between fields; it must be of ASCII.
    public var delimiter: Character = ","
    /// What is done about missing numbers.
    public var missing = MissingValues.refuse
    /// The texts that mean that a number is missing.
    public var missingMarkers: Set<String> = ["", "NA", "N/A", "NaN", "nan", "null", "?"]

    /// Options; the others have default values.
    public init(classes: [String] = []) { self.classes = classes }
}

extension Dataset {
    /// Reads a CSV file (RFC 4180) into memory: a column for each of its columns. A column of integers has the type `int64`, one of
    /// other numbers `float32`, any other `string`.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` with row and column of the first error.
    public init(csvFile path: String, _ options: CSVOptions = CSVOptions()) throws(Status) {
        try self.init(csv: InputFile.contents(of: path), source: path, options)
    }

    /// Parses the bytes of a CSV file.
    /// - Parameter source: names the bytes in errors.
    /// - Throws: as with a file.
    public init(csv bytes: [UInt8], source: String, _ options: CSVOptions = CSVOptions()) throws(Status) {
        guard let delimiter = options.delimiter.asciiValue, delimiter >= 0x20 || delimiter == 9, delimiter != UInt8(ascii: "\"") else {
            throw .invalidArgument("\(source): expected a delimiter of ASCII, such as ',', found '\(options.delimiter)'")
        }
        var parser = CSVParser(bytes, delimiter: delimiter, source: source)
        guard let first = try parser.next() else { throw .invalidArgument("\(source): expected rows, found an empty file") }
        let names = options.hasHeader ? first.fields.map(\.text) : (1...first.fields.count).map { "column\($0)" }
        var seen: Set<String> = []
        for (index, name) in names.enumerated() where name.isEmpty || !seen.insert(name).inserted {
            throw .invalidArgument(
                "\(source): row 1, column \(index + 1): expected a name for each column, found \(name.isEmpty ? "nothing" : "'\(name)' again")")
        }
        for name in options.classes where !seen.contains(name) {
            throw .invalidArgument("\(source): row 1: expected a column '\(name)', found \(names.joined(separator: ", "))")
        }
        if options.hasHeader { try parser.checkHeader(names.filter { !options.classes.contains($0) }) }
        var columns = names.map { CSVColumn($0, isClass: options.classes.contains($0), options) }
        var next = options.hasHeader ? try parser.next() : first
        while let record = next {
            guard record.fields.count == names.count else {
                throw .invalidArgument("\(source): row \(record.line): expected \(names.count) columns, found \(record.fields.count)")
            }
            for index in columns.indices { columns[index].append(record.fields[index], line: record.line) }
            next = try parser.next()
        }
        guard let rowCount = columns.first?.fields.count, rowCount > 0 else { throw .invalidArgument("\(source): expected rows after the header, found none") }
        let dropped = options.missing == .dropRow ? columns.reduce(into: Set<Int>()) { $0.formUnion($1.missingNumbers) } : []
        guard dropped.count < rowCount else { throw .invalidArgument("\(source): expected a row without missing numbers, found none") }
        var tensors: [String: Tensor] = [:]
        var classes: [String: [String]] = [:]
        for (index, column) in columns.enumerated() {
            let made = try column.tensor(without: dropped, "\(source): ", number: index + 1)
            tensors[column.name] = made.tensor
            classes[column.name] = made.classes
        }
        try self.init(tensors, classes: classes)
    }

    /// Writes the rows as a CSV file with a header (RFC 4180), atomically. Classes are written by their names. It may block.
    /// - Throws: `invalidArgument` when a row of a column is more than one value, or is no number, Boolean or text; the error of a file.
    public func write(csvFile path: String, delimiter: Character = ",") throws(Status) {
        guard let byte = delimiter.asciiValue, byte >= 0x20 || byte == 9, byte != UInt8(ascii: "\"") else {
            throw .invalidArgument("\(path): expected a delimiter of ASCII, such as ',', found '\(delimiter)'")
        }
        if let column = columns.first(where: { $0.shape.elementCount != 1 || $0.dtype.isComplex }) {
            throw .invalidArgument("\(path): a CSV file has one value for each row and column; found column \(column)")
        }
        func quoted(_ text: String) -> String {
            let mustQuote =
                text.isEmpty || text.first?.isWhitespace == true || text.last?.isWhitespace == true
                || text.utf8.contains { $0 == byte || $0 == UInt8(ascii: "\"") || $0 == UInt8(ascii: "\n") || $0 == UInt8(ascii: "\r") }
            return mustQuote ? "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\"" : text
        }
        let file = try AtomicFile(path)
        try file.append(Array((columns.map { quoted($0.name) }.joined(separator: String(delimiter)) + "\n").utf8))
        for start in stride(from: 0, to: rowCount, by: 1024) {
            let rows = try source.rows(Array(start..<Swift.min(rowCount, start + 1024)))
            var texts: [[String]] = []
            for column in columns {
                guard let tensor = rows[column.name] else { throw .internalError("a source returned rows without its column '\(column.name)'") }
                texts.append(try tensor.texts(column).map(quoted))
            }
            var lines = ""
            for row in 0..<(texts.first?.count ?? 0) { lines += texts.map { $0[row] }.joined(separator: String(delimiter)) + "\n" }
            try file.append(Array(lines.utf8))
        }
        try file.commit()
    }
}

extension Tensor {
    /// The elements as texts that read back as the same values.
    fileprivate func texts(_ column: DatasetColumn) throws(Status) -> [String] {
        switch dtype {
        case .string: return elements(ByteString.self).map(\.description)
        case .bool: return elements(Bool.self).map { $0 ? "1" : "0" }
        case .uint64: return elements(UInt64.self).map { "\($0)" }
        case .float64: return elements(Double.self).map { "\($0)" }
        case _ where dtype.isFloating: return try converted(to: .float32, column.name).array(of: Float.self).map { "\($0)" }
        case _ where dtype.isInteger:
            return try integers(column.name).map { number in
                if let names = column.classes, names.indices.contains(number) { names[number] } else { "\(number)" }
            }
        default: throw .invalidArgument("A CSV file has numbers, Booleans and texts; found column \(column)")
        }
    }
}

/// A column of a CSV file that is being read.
private struct CSVColumn {
    let name: String
    private let isClass: Bool
    private let options: CSVOptions
    private(set) var fields: [String] = []
    /// The line of each field.
    private var lines: [Int] = []
    private var missing: [Int] = []
    private var isNumeric = true
    private var isInteger = true

    init(_ name: String, isClass: Bool, _ options: CSVOptions) {
        self.name = name
        self.isClass = isClass
        self.options = options
    }

    mutating func append(_ field: CSVParser.Field, line: Int) {
        if !isClass {
            if !field.isQuoted, options.missingMarkers.contains(field.text) {
                missing.append(fields.count)
            } else if isNumeric {
                isInteger = isInteger && Int64(field.text) != nil
                isNumeric = isInteger || Float(field.text)?.isFinite == true
            }
        }
        fields.append(field.text)
        lines.append(line)
    }

    /// The rows that have no number in a column of numbers.
    var missingNumbers: [Int] { isNumeric && missing.count < fields.count ? missing : [] }

    func tensor(without dropped: Set<Int>, _ place: String, number: Int) throws(Status) -> (tensor: Tensor, classes: [String]?) {
        let rows = fields.indices.filter { !dropped.contains($0) }
        if isClass {
            var names = ClassNames()
            var numbers: [Int32] = []
            for row in rows {
                guard !fields[row].isEmpty else { throw failure(place, row, number, expected: "a class") }
                numbers.append(names.number(of: fields[row]))
            }
            return (Tensor(numbers), names.all)
        }
        // A column without a single number says nothing of its type.
        guard isNumeric, missing.count < fields.count else { return (Tensor(rows.map { ByteString(fields[$0]) }), nil) }
        let absent = Set(missing)
        if isInteger, absent.isEmpty || options.missing == .dropRow { return (Tensor(rows.map { Int64(fields[$0]) ?? 0 }), nil) }
        var substitute: Float = 0
        switch options.missing {
        case .refuse: if let row = missing.first { throw failure(place, row, number, expected: "a number") }
        case .replace(let value): substitute = value
        case .mean:
            let present = fields.indices.filter { !absent.contains($0) }
            substitute = Float(present.reduce(0) { $0 + (Double(fields[$1]) ?? 0) } / Double(present.count))
        case .dropRow: break
        }
        return (Tensor(rows.map { absent.contains($0) ? substitute : Float(fields[$0]) ?? 0 }), nil)
    }

    private func failure(_ place: String, _ row: Int, _ number: Int, expected: String) -> Status {
        .invalidArgument(
            "\(place)row \(lines[row]), column \(number) ('\(name)'): expected \(expected), found \(fields[row].isEmpty ? "nothing" : "'\(fields[row])'")")
    }
}
