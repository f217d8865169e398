public import WeirTensor
import WeirWire

/// Rows for the inputs of a signature, from a file.
public enum PredictionData {
    /// Reads a file.
    ///
    /// - `.csv`: a header row and numeric columns, for a signature with one input. Columns whose names are known are taken by name, in any
    ///   order; others are left out. Otherwise they are taken by their place. If there is one column more than the input takes, the last one is
    ///   taken for a label and left out, or the one that `label` names.
    /// - `.npz`, `.safetensors`: a tensor for each input, by name. Numbers of another type become those of the input.
    /// - Parameters:
    ///   - columns: the names of the columns that the model takes: `SavedModel.columns`; nil takes columns by their place.
    ///   - label: CSV: a column that is left out.
    ///   - onColumns: CSV: gets how the columns were chosen.
    /// - Throws: `invalidArgument` when the file does not fit the signature; the error of a file that cannot be read.
    public static func read(
        _ path: String, for signature: ModelSignature, columns: ModelColumns? = nil, leavingOut label: String? = nil,
        onColumns: (PredictionColumns) -> Void = { _ in }
    ) throws(Status) -> [String: Tensor] {
        guard label == nil || DataFormat(path: path) == .csv else { throw .invalidArgument("\(path): a label is a column of a CSV file; found another file") }
        if path.hasSuffix(".npz") { return try chosen(NumpyArchive.read(path), path, signature) }
        if path.hasSuffix(".safetensors") { return try chosen(SafetensorsFile.read(path), path, signature) }
        if path.hasSuffix(".npy") {
            throw .invalidArgument("\(path): expected a .npz archive, which has a tensor for each input by name, found one .npy array")
        }
        return try rows(CSVParser(InputFile.contents(of: path), source: path), for: signature, columns, leavingOut: label, onColumns)
    }

    /// The rows of a table, for a signature with one input.
    /// - Throws: `invalidArgument` when the table does not fit it.
    public static func rows(of table: Table, for signature: ModelSignature) throws(Status) -> [String: Tensor] {
        try tensor(table.values.map(Double.init), columnCount: table.featureCount, source: "the table", signature)
    }

    /// All rows of data: those of a table for a signature with one input, those of a dataset's columns for the inputs of their names.
    /// - Throws: `invalidArgument` when they do not fit the signature.
    package static func rows(of data: TrainingData, for signature: ModelSignature) throws(Status) -> [String: Tensor] {
        switch data {
        case .table(let table): return try rows(of: table, for: signature)
        case .dataset(let dataset), .standardized(let dataset), .divided(_, let dataset):
            return try chosen(dataset.rows(0..<dataset.rowCount), "The data", signature)
        }
    }

    /// Parses CSV text.
    /// - Parameter source: names the text in errors.
    /// - Throws: `invalidArgument` with row and column of the first error, or when the columns do not fit the signature.
    static func rows(
        csv text: String, source: String, for signature: ModelSignature, columns: ModelColumns? = nil, leavingOut label: String? = nil,
        onColumns: (PredictionColumns) -> Void = { _ in }
    ) throws(Status) -> [String: Tensor] {
        try rows(CSVParser(Array(text.utf8), source: source), for: signature, columns, leavingOut: label, onColumns)
    }

    private static func rows(
        _ text: CSVParser, for signature: ModelSignature, _ columns: ModelColumns?, leavingOut label: String?,
        _ onColumns: (PredictionColumns) -> Void
    ) throws(Status) -> [String: Tensor] {
        var parser = text
        let source = parser.source
        guard let header = try parser.next() else { throw .invalidArgument("\(source): expected a header row, found an empty file") }
        let columnCount = header.fields.count
        let (name, input) = try only(signature, source)
        let names = header.fields.map(\.text)
        let choice = try PredictionColumns(
            names, count: rowSize(input), model: name == "features" ? columns : nil, leavingOut: label, source: source)
        onColumns(choice)
        let taken = choice.taken
        var values: [Double] = []
        while let record = try parser.next() {
            guard record.fields.count == columnCount else {
                throw .invalidArgument("\(source): row \(record.line): expected \(columnCount) columns, found \(record.fields.count)")
            }
            for column in taken {
                let field = record.fields[column]
                guard let value = Double(field.text), value.isFinite else {
                    throw .invalidArgument("\(source): row \(record.line), column \(column + 1) ('\(names[column])'): expected a number, found '\(field.text)'")
                }
                values.append(value)
            }
        }
        guard !values.isEmpty else { throw .invalidArgument("\(source): expected rows after the header, found none") }
        return try tensor(values, columnCount: taken.count, source: source, signature)
    }

    private static func only(_ signature: ModelSignature, _ source: String) throws(Status) -> (name: String, info: ModelSignature.TensorInfo) {
        guard signature.inputs.count == 1, let (name, info) = signature.inputs.first else {
            throw .invalidArgument(
                "\(source): columns are for a signature with one input; this one has \(signature.inputs.keys.sorted().joined(separator: ", ")). "
                    + "Expected a .npz or .safetensors file with a tensor for each")
        }
        return (name, info)
    }

    /// The number of elements of one row; nil if it is not known.
    private static func rowSize(_ info: ModelSignature.TensorInfo) -> Int? {
        guard let rank = info.shape.rank, rank > 0 else { return nil }
        return info.shape.dropFirst().elementCount
    }

    private static func tensor(_ values: [Double], columnCount: Int, source: String, _ signature: ModelSignature) throws(Status) -> [String: Tensor] {
        let (name, info) = try only(signature, source)
        if let wanted = rowSize(info), wanted != columnCount {
            throw .invalidArgument("\(source): input '\(name)' takes \(wanted) numbers in a row, \(info); found \(columnCount) columns")
        }
        let rowCount = values.count / max(1, columnCount)
        let row = rowSize(info) == nil ? [columnCount] : info.shape.dropFirst().known?.dimensions ?? [columnCount]
        let shape = try Shape(validating: [rowCount] + row)
        let tensor: Tensor
        switch info.dtype ?? .float32 {
        case .float32: tensor = try Tensor(values.map { Float($0) }, shape: shape)
        case .float64: tensor = try Tensor(values, shape: shape)
        case .int32: tensor = try Tensor(integers(values, source, Int32.self), shape: shape)
        case .int64: tensor = try Tensor(integers(values, source, Int64.self), shape: shape)
        case .uint8: tensor = try Tensor(integers(values, source, UInt8.self), shape: shape)
        case let other: throw .invalidArgument("\(source): input '\(name)' is of \(other), which a table does not have; expected a .npz or .safetensors file")
        }
        return [name: tensor]
    }

    private static func integers<E: FixedWidthInteger>(_ values: [Double], _ source: String, _ type: E.Type) throws(Status) -> [E] {
        var result: [E] = []
        result.reserveCapacity(values.count)
        for value in values {
            guard let number = E(exactly: value) else { throw .invalidArgument("\(source): expected integers of type \(type), found \(value)") }
            result.append(number)
        }
        return result
    }

    private static func chosen(_ tensors: [String: Tensor], _ path: String, _ signature: ModelSignature) throws(Status) -> [String: Tensor] {
        var result: [String: Tensor] = [:]
        for (name, info) in signature.inputs.sorted(by: { $0.key < $1.key }) {
            guard let tensor = tensors[name] else {
                throw .invalidArgument("\(path): expected a tensor '\(name)', \(info), found \(tensors.keys.sorted().joined(separator: ", "))")
            }
            guard let dtype = info.dtype, Tensor.canConvert(tensor.dtype, to: dtype) else {
                result[name] = tensor
                continue
            }
            do throws(Status) { result[name] = try tensor.converted(to: dtype, name) } catch { throw Status(error.code, "\(path): \(error.message)") }
        }
        return result
    }
}
