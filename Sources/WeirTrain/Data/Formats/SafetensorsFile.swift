public import WeirTensor
import WeirWire

/// Reads and writes tensors with names in the safetensors format: the length of a header, the header in JSON, and the elements.
public enum SafetensorsFile {
    /// The format's names of types.
    private static let types: [(name: String, dtype: DType)] = [
        ("F32", .float32), ("F64", .float64), ("F16", .float16), ("BF16", .bfloat16), ("I64", .int64), ("I32", .int32), ("I16", .int16), ("I8", .int8),
        ("U64", .uint64), ("U32", .uint32), ("U16", .uint16), ("U8", .uint8), ("BOOL", .bool), ("C64", .complex64),
    ]

    /// Reads all tensors of a file, by name.
    /// - Throws: `notFound` when the file does not exist; `dataLoss` when it is damaged; `unimplemented` for a type that Weir does not have.
    ///   The message names the file, the tensor, what was expected and what was found.
    public static func read(_ path: String) throws(Status) -> [String: Tensor] {
        let file = try InputFile(path)
        let size = try file.byteCount()
        var start = ByteCursor(try file.read(at: 0, count: min(8, size))[...], "\(path): the length of the header")
        let length = try start.littleEndian(UInt64.self)
        guard let count = Int(exactly: length), count <= size - 8, count <= JSONValue.maximumByteCount else {
            throw .dataLoss(
                "\(path): expected a header of at most \(min(max(0, size - 8), JSONValue.maximumByteCount)) bytes at 8, found a length of \(length)")
        }
        let header: JSONObjectReader
        do throws(Status) { header = try JSONObjectReader(JSONValue(parsing: file.read(at: 8, count: count))) } catch {
            throw .dataLoss("\(path): header at 8: \(error.message)")
        }
        var places: [Place] = []
        for member in header.members where member.key != "__metadata__" {
            do throws(Status) { places.append(try Place(member.key, member.value)) } catch {
                throw Status(error.code == .unimplemented ? .unimplemented : .dataLoss, "\(path): header at 8: \(error.message)")
            }
        }
        // The elements lie side by side: none are shared, and none are left over.
        var end = 0
        var tensors: [String: Tensor] = [:]
        for place in places.sorted(by: { ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound) }) {
            guard place.range.lowerBound == end, place.range.upperBound <= size - 8 - count else {
                throw .dataLoss("\(path): tensor '\(place.name)': expected elements from \(end) to at most \(size - 8 - count), found \(place.range)")
            }
            end = place.range.upperBound
            let tensor = try Tensor(place.dtype, place.shape)
            try file.readAll(at: 8 + count + place.range.lowerBound, into: tensor.mutableBytes)
            guard place.dtype != .bool || tensor.bytes.reduce(0, |) <= 1 else {
                throw .dataLoss("\(path): tensor '\(place.name)': expected Booleans of 0 and 1, found other bytes")
            }
            tensors[place.name] = tensor
        }
        guard end == size - 8 - count else { throw .dataLoss("\(path): expected \(end) bytes of elements after the header, found \(size - 8 - count)") }
        return tensors
    }

    private struct Place {
        let name: String
        let dtype: DType
        let shape: Shape
        let range: Range<Int>

        init(_ name: String, _ value: JSONValue) throws(Status) {
            self.name = name
            let reader = try JSONObjectReader(value, at: name)
            let type = try reader.requiredText("dtype")
            guard let dtype = SafetensorsFile.types.first(where: { $0.name == type })?.dtype else {
                throw .unimplemented("\(name).dtype: expected one of \(SafetensorsFile.types.map(\.name).joined(separator: ", ")), found '\(type)'")
            }
            self.dtype = dtype
            shape = try Shape(validating: Place.integers(reader, "shape"))
            let offsets = try Place.integers(reader, "data_offsets")
            let (count, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
            guard offsets.count == 2, offsets[0] >= 0, offsets[1] >= offsets[0], !overflow, offsets[1] - offsets[0] == count else {
                throw .dataLoss(
                    "\(name).data_offsets: expected a range of \(overflow ? "more" : "\(count)") bytes for \(dtype) of shape \(shape), found \(offsets)")
            }
            range = offsets[0]..<offsets[1]
        }

        private static func integers(_ reader: JSONObjectReader, _ key: String) throws(Status) -> [Int] {
            guard case .array(let elements) = reader[key] else { throw reader.failure(key, expected: "a list of integers") }
            var integers: [Int] = []
            for element in elements {
                guard case .integer(let number) = element else { throw reader.failure(key, expected: "a list of integers") }
                integers.append(number)
            }
            return integers
        }
    }

    /// Writes tensors to a file, sorted by name, atomically.
    /// - Throws: `invalidArgument` when the format has no such type; the error of a file.
    public static func write(_ tensors: [String: Tensor], to path: String) throws(Status) {
        let sorted = tensors.sorted { $0.key < $1.key }
        var members: [JSONValue.Member] = []
        var end = 0
        for (name, tensor) in sorted {
            guard let type = types.first(where: { $0.dtype == tensor.dtype })?.name else {
                throw .invalidArgument("\(path): the format has no type for tensor '\(name)' of \(tensor.dtype)")
            }
            guard name != "__metadata__" else { throw .invalidArgument("\(path): the format does not allow a tensor '__metadata__'") }
            let shape = JSONValue.array(tensor.shape.dimensions.map { .integer($0) })
            let offsets = JSONValue.array([.integer(end), .integer(end + tensor.byteCount)])
            members.append(.init(name, .object([.init("dtype", .text(type)), .init("shape", shape), .init("data_offsets", offsets)])))
            end += tensor.byteCount
        }
        var header = Array(JSONValue.object(members).description.utf8)
        // The elements begin at a multiple of 8.
        header += [UInt8](repeating: UInt8(ascii: " "), count: (8 - header.count % 8) % 8)
        var length: [UInt8] = []
        length.appendLittleEndian(UInt64(header.count))
        let file = try AtomicFile(path)
        try file.append(length + header)
        for (_, tensor) in sorted { try file.append(tensor.bytes) }
        try file.commit()
    }
}

extension Dataset {
    /// Reads a safetensors file into memory: each tensor is a column, and has the rows as first dimension.
    /// - Throws: as `SafetensorsFile.read`; `invalidArgument` when the tensors have different numbers of rows.
    public init(safetensorsFile path: String) throws(Status) {
        do throws(Status) { try self.init(SafetensorsFile.read(path)) } catch { throw error.naming(path) }
    }

    /// Writes all rows to a safetensors file. They must fit into memory; it may block.
    /// - Throws: as `SafetensorsFile.write`; the error of reading the rows.
    public func write(safetensorsFile path: String) throws(Status) { try SafetensorsFile.write(source.rows(Array(0..<rowCount)), to: path) }
}
