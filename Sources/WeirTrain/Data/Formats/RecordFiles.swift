public import WeirTensor
import WeirWire

extension Dataset {
    /// The examples of TFRecord files, one file after another. The files are read when batches are made: here only the lengths of the
    /// records are, to know where each begins. It may block.
    /// - Parameters:
    ///   - paths: the files, or patterns such as `train-*.tfrecord`, whose files are taken in order of their names.
    ///   - features: the features to read, each with the same number of values in all records (`tf.io.FixedLenFeature`). Without any, they
    ///     are those of the first record.
    /// - Throws: `notFound` when a file does not exist, or none has the name; `dataLoss` when a length is damaged; `invalidArgument` when
    ///   a feature is not one that examples have. The message names the file and the offset.
    public init(recordFiles paths: [String], features: [DatasetColumn] = []) throws(Status) {
        self.init(checked: try RecordFiles(paths, features))
    }

    /// Writes the rows to TFRecord files of examples, atomically each. It may block.
    /// - Parameters:
    ///   - path: the file. Of several, `-00000-of-00004` is put before the last dot, or at the end.
    ///   - shards: the number of files, at least 1; each row goes to one of them in turn.
    /// - Throws: `invalidArgument` when an example has no such type; the error of a file.
    public func write(recordFile path: String, shards: Int = 1) throws(Status) {
        guard (1...100_000).contains(shards) else { throw .invalidArgument("\(path): expected 1 to 100000 files, found \(shards)") }
        for shard in 0..<shards {
            let name = shards == 1 ? path : RecordFiles.name(path, shard, of: shards)
            let temporary = "\(name).tempstate\(UInt64.random(in: 0 ... .max))"
            do throws(Status) {
                let writer = try RecordWriter(temporary, .create)
                for number in stride(from: shard, to: rowCount, by: shards) {
                    var example = Example()
                    for (name, tensor) in try source.rows([number]) { example.features[name] = try Example.Feature(tensor, name) }
                    try writer.append(example.serialized)
                }
                try writer.close()
                try FileSystem.rename(temporary, to: name)
            } catch {
                if FileSystem.exists(temporary) { try FileSystem.remove(temporary) }
                throw error
            }
        }
    }
}

/// Rows that are read from TFRecord files of examples.
struct RecordFiles: RowSource {
    private struct Place {
        var file: Int
        var offset: Int
    }
    private let files: [String]
    private let places: [Place]
    let columns: [DatasetColumn]

    init(_ paths: [String], _ features: [DatasetColumn]) throws(Status) {
        var files: [String] = []
        for path in paths {
            let found = FileSystem.exists(path) ? [path] : FileSystem.matching(path)
            guard !found.isEmpty else { throw .notFound("\(path): expected a TFRecord file, found none") }
            files += found
        }
        var places: [Place] = []
        for (number, path) in files.enumerated() { try RecordFiles.forEachOffset(in: path) { places.append(Place(file: number, offset: $0)) } }
        guard let first = places.first else { throw .invalidArgument("\(paths.joined(separator: ", ")): expected at least one record, found none") }
        self.files = files
        self.places = places
        var columns: [DatasetColumn] = []
        for feature in features {
            guard [.string, .float32, .int64].contains(feature.dtype) else {
                throw .invalidArgument(
                    "Feature '\(feature.name)': an example has values of string, float or int64, expected one of these, found \(feature.dtype)")
            }
            columns.append(DatasetColumn(feature.name, feature.dtype, try feature.shape.validated(), classes: feature.classes))
        }
        if columns.isEmpty {
            let example = try RecordFiles.example(at: first.offset, RecordReader(files[first.file]), files[first.file])
            for (name, feature) in example.features { columns.append(DatasetColumn(name, feature.dtype, feature.count == 1 ? .scalar : Shape(feature.count))) }
            guard !columns.isEmpty else {
                throw .invalidArgument("\(files[first.file]): record at \(first.offset): expected an example with features, found none")
            }
        }
        self.columns = columns.sorted { $0.name < $1.name }
    }

    var rowCount: Int { places.count }
    var isInMemory: Bool { false }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        var stack = try RowStack(columns, rowCount: numbers.count)
        // One file at a time is open, and no more is read than a record needs: the rows of a shuffled batch are far apart.
        var open: (file: Int, reader: RecordReader)?
        for number in numbers {
            let place = places[number]
            let reader: RecordReader
            if let open, open.file == place.file { reader = open.reader } else { reader = try RecordReader(files[place.file], windowSize: 4096) }
            open = (place.file, reader)
            let example = try RecordFiles.example(at: place.offset, reader, files[place.file])
            var row: [String: Tensor] = [:]
            for column in columns {
                let spot = "\(files[place.file]): record at \(place.offset): feature '\(column.name)'"
                guard let feature = example.features[column.name] else {
                    throw .invalidArgument("\(spot): expected \(column.dtype) of shape \(column.shape), found none")
                }
                guard feature.dtype == column.dtype, feature.count == column.shape.elementCount else {
                    throw .invalidArgument(
                        "\(spot): expected \(column.shape.elementCount) values of \(column.dtype), found \(feature.count) of \(feature.dtype)")
                }
                row[column.name] = try feature.tensor(column.shape)
            }
            try stack.append(row, "\(files[place.file]): record at \(place.offset)")
        }
        return stack.rows
    }

    private static func example(at offset: Int, _ reader: RecordReader, _ path: String) throws(Status) -> Example {
        reader.move(to: offset)
        guard let record = try reader.next() else { throw .dataLoss("\(path): expected a record at \(offset), found the end of the file") }
        do throws(Status) { return try Example(serialized: record) } catch {
            throw Status(error.code, "\(path): record at \(offset): expected an example: \(error.message)")
        }
    }

    /// Calls `body` with the offset of each record. Only the records' headers are read.
    private static func forEachOffset(in path: String, _ body: (Int) -> Void) throws(Status) {
        let reader = try RecordReader(path, windowSize: 64 << 10)
        while true {
            let offset = reader.offset
            guard try reader.skip() else { return }
            body(offset)
        }
    }

    /// The name of one of several files.
    static func name(_ path: String, _ shard: Int, of count: Int) -> String {
        func digits(_ number: Int) -> String { String(repeating: "0", count: max(0, 5 - "\(number)".count)) + "\(number)" }
        let suffix = "-\(digits(shard))-of-\(digits(count))"
        guard let dot = path.lastIndex(of: "."), !path[dot...].contains("/" as Character), dot != path.startIndex else { return path + suffix }
        return "\(path[..<dot])\(suffix)\(path[dot...])"
    }
}
