public import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// `InitializeTableFromTextFile`: fills a table from the lines of a text file.
    static let initializeTableFromTextFile = tableOp(
        "InitializeTableFromTextFile", textSignature, textAttributes, make: makeTextFile)
    static let initializeTableFromTextFileV2 = tableOp(
        "InitializeTableFromTextFileV2", textSignature, textAttributes, make: makeTextFile)
}

private let textSignature = "(table_handle: resource, filename: string) -> ()"
private let textAttributes = [
    "key_index: int >= -2", "value_index: int >= -2", "vocab_size: int >= -1 = -1", "delimiter: string = '\t'",
    "offset: int = 0",
]

@Sendable private func makeTextFile(_ request: KernelRequest) throws -> TableBody {
    let delimiter = request.attributes.bytes("delimiter")?.bytes ?? []
    guard delimiter.count == 1 else { throw Status.invalidArgument("delimiter should be only 1 char") }
    let (key, value) = (try request.int("key_index"), try request.int("value_index"))
    let (limit, offset) = (try request.int("vocab_size"), try request.int("offset"))
    return { table, context in
        try table.requireInitializable()
        let names = context.input(1)
        guard names.rank == 0 else {
            throw Status.invalidArgument("filename should be a single string, but got \(names.shape)")
        }
        let path = names.elements(ByteString.self)[0].description
        guard !path.isEmpty else { throw Status.invalidArgument("filename cannot be empty.") }
        // Several workers may fill one shared table from the same file. Only the first does it.
        if table.isInitialized { return }
        try requireColumn("Key", key, table.keyType)
        try requireColumn("Value", value, table.valueType)
        let file = try VocabularyFile(path, delimiter: delimiter[0], columns: max(key, value), limit: limit)
        do {
            try table.initialize(
                file.column(key, table.keyType, offset: offset), file.column(value, table.valueType, offset: offset))
        } catch {
            guard Status(error).code == .failedPrecondition, table.isInitialized else { throw error }
        }
    }
}

/// Column indices that stand for the line number and for the whole line.
private let lineNumber = -1
private let wholeLine = -2

private func requireColumn(_ what: String, _ index: Int, _ dtype: DType) throws {
    if index == lineNumber, dtype != .int64 {
        throw Status.invalidArgument(
            "\(what) index for line number requires table \(what.lowercased()) dtype of int64, got \(dtype)")
    }
    if index == wholeLine, !dtype.isInteger, dtype != .string {
        throw Status.invalidArgument(
            "\(what) index for whole line requires string or integer table \(what.lowercased()), got \(dtype)")
    }
}

/// The lines of a text file, which are split into columns on demand.
private struct VocabularyFile {
    private let path: String
    private var lines: [ArraySlice<UInt8>] = []
    private let delimiter: UInt8

    /// - Parameters:
    ///   - columns: the highest column that each line must have; negative if none is used.
    ///   - limit: the number of lines to read, all of which must exist; −1 for all lines.
    init(_ path: String, delimiter: UInt8, columns: Int, limit: Int) throws {
        self.path = path
        self.delimiter = delimiter
        // Carriage returns are removed wherever they are.
        let bytes = try InputFile.contents(of: path)
        var start = 0
        while start < bytes.count, limit < 0 || lines.count < limit {
            let end = bytes[start...].firstIndex(of: 10) ?? bytes.count
            var line = bytes[start..<end]
            if line.contains(13) { line = line.filter { $0 != 13 }[...] }
            start = min(end + 1, bytes.count)
            guard !line.isEmpty else {
                throw Status.invalidArgument("Invalid content in \(path): empty line found at position \(start).")
            }
            if columns >= 0 {
                let count = line.reduce(1) { $1 == delimiter ? $0 + 1 : $0 }
                guard columns < count else {
                    let text = String(decoding: line, as: UTF8.self)
                    throw Status.invalidArgument(
                        "Invalid number of columns in \(path) line \(lines.count) (\(text)) : expected at least "
                            + "\(UInt(columns) + 1) got \(count)")
                }
            }
            lines.append(line)
        }
        guard lines.count >= limit else {
            throw Status.invalidArgument("Invalid vocab_size in \(path): expected \(limit) but got \(lines.count)")
        }
        guard !lines.isEmpty else { throw Status.outOfRange("\(path) has no lines") }
    }

    /// Returns one column of all lines as a vector.
    func column(_ index: Int, _ dtype: DType, offset: Int) throws -> Tensor {
        if index == lineNumber { return Tensor(lines.indices.map { Int64($0 &+ offset) }) }
        switch dtype {
        case .string: return Tensor(lines.map { ByteString(Array(field(index, of: $0))) })
        case .int32: return try parsed(index, dtype) { Int32($0) }
        case .int64: return try parsed(index, dtype) { Int64($0) }
        case .float32: return try parsed(index, dtype) { Float($0) }
        case .float64: return try parsed(index, dtype) { Double($0) }
        default: throw Status.invalidArgument("Data type \(dtype) not supported.")
        }
    }

    private func field(_ index: Int, of line: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        if index == wholeLine { return line }
        var rest = line
        for _ in 0..<index {
            // The initializer has checked that the line has enough columns.
            rest = rest[(rest.firstIndex(of: delimiter).map { $0 + 1 } ?? rest.endIndex)...]
        }
        return rest.prefix { $0 != delimiter }
    }

    private func parsed<E: TensorElement>(_ index: Int, _ dtype: DType, _ read: (String) -> E?) throws -> Tensor {
        var values: [E] = []
        values.reserveCapacity(lines.count)
        for (number, line) in lines.enumerated() {
            let text = String(decoding: field(index, of: line), as: UTF8.self)
            var trimmed = text[...]
            while trimmed.first?.isWhitespace == true { trimmed.removeFirst() }
            while trimmed.last?.isWhitespace == true { trimmed.removeLast() }
            guard let value = read(String(trimmed)) else {
                throw Status.invalidArgument("Field \(text) in line \(number) is not a valid \(dtype).")
            }
            values.append(value)
        }
        return Tensor(values)
    }
}

extension Output {
    /// Fills the table of this handle from the lines of a file: the keys are the lines, the values their numbers, starting
    /// with 0.
    @discardableResult
    public func initializeTable(fromLinesOf path: Output) -> Operation {
        builder.add(
            "InitializeTableFromTextFileV2", [self, path],
            attributes: ["key_index": .int(wholeLine), "value_index": .int(lineNumber)])
    }
}
