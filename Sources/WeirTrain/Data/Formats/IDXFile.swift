public import WeirTensor
import WeirWire

/// Reads and writes arrays in the IDX format, in which the MNIST digits come: big-endian, plain or compressed with gzip.
public enum IDXFile {
    /// The format's numbers of types.
    private static let types: [(code: UInt8, dtype: DType)] = [
        (0x08, .uint8), (0x09, .int8), (0x0b, .int16), (0x0c, .int32), (0x0d, .float32), (0x0e, .float64),
    ]

    /// Reads the array of a file.
    /// - Throws: `notFound` when the file does not exist; `dataLoss` when it is damaged or no such file. The message names the file, the
    ///   place in it, what was expected and what was found.
    public static func read(_ path: String) throws(Status) -> Tensor {
        try tensor(from: Inflater.contents(InputFile.contents(of: path), path), path)
    }

    package static func tensor(from bytes: [UInt8], _ place: String) throws(Status) -> Tensor {
        guard bytes.count >= 4, bytes[0] == 0, bytes[1] == 0, let dtype = types.first(where: { $0.code == bytes[2] })?.dtype, bytes[3] > 0 else {
            throw .dataLoss("\(place): expected 0, 0, a type and a number of dimensions at 0, found \(bytes.prefix(4).map { "\($0)" }.joined(separator: ", "))")
        }
        let start = 4 + 4 * Int(bytes[3])
        guard bytes.count >= start else { throw .dataLoss("\(place): expected \(bytes[3]) dimensions at 4, found \(bytes.count - 4) bytes") }
        let dimensions = stride(from: 4, to: start, by: 4).map { at in (0..<4).reduce(0) { $0 << 8 | Int(bytes[at + $1]) } }
        let shape: Shape
        do throws(Status) { shape = try Shape(validating: dimensions) } catch { throw .dataLoss("\(place): dimensions at 4: \(error.message)") }
        let (count, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, count == bytes.count - start else {
            throw .dataLoss(
                "\(place): expected \(overflow ? "more" : "\(count)") bytes of \(dtype) of shape \(shape) at \(start), found \(bytes.count - start)")
        }
        let tensor = try Tensor(dtype, shape)
        if count > 0 { bytes.withUnsafeBytes { tensor.mutableBytes.copyMemory(from: .init(rebasing: $0[start...])) } }
        swap(tensor)
        return tensor
    }

    /// Changes the order of each element's bytes.
    private static func swap(_ tensor: Tensor) {
        func swap<E: FixedWidthInteger>(_: E.Type) {
            let elements = tensor.mutableElements(E.self)
            for index in elements.indices { elements[index] = elements[index].byteSwapped }
        }
        switch tensor.dtype.byteCount {
        case 2: swap(UInt16.self)
        case 4: swap(UInt32.self)
        case 8: swap(UInt64.self)
        default: break
        }
    }

    /// Writes an array to a file without compression, atomically.
    /// - Throws: `invalidArgument` when the format has no such type or shape; the error of a file.
    public static func write(_ tensor: Tensor, to path: String) throws(Status) {
        guard let code = types.first(where: { $0.dtype == tensor.dtype })?.code, let rank = UInt8(exactly: tensor.rank), rank > 0 else {
            throw .invalidArgument("\(path): the format has no array of \(tensor.dtype) of shape \(tensor.shape)")
        }
        var header: [UInt8] = [0, 0, code, rank]
        for dimension in tensor.shape.dimensions {
            guard let size = UInt32(exactly: dimension) else {
                throw .invalidArgument("\(path): the format has dimensions of 32 bits, found shape \(tensor.shape)")
            }
            header.appendLittleEndian(size.byteSwapped)
        }
        let elements = try tensor.copied()
        swap(elements)
        let file = try AtomicFile(path)
        try file.append(header)
        try file.append(elements.bytes)
        try file.commit()
    }
}

extension Dataset {
    /// Reads a pair of IDX files into memory: `features`, images with a channel of their own (`[height, width, 1]`) or whatever a row has,
    /// and `labels`, with the names `0`, `1`… as classes.
    /// - Throws: as `IDXFile.read`; `invalidArgument` when the labels are no vector of integers, or there is another number of them.
    public init(idxFile features: String, labels: String) throws(Status) {
        var images = try IDXFile.read(features)
        let classes = try IDXFile.read(labels)
        guard classes.rank == 1, classes.dtype.isInteger else {
            throw .invalidArgument("\(labels): expected a vector of class numbers, found \(classes.dtype) of shape \(classes.shape)")
        }
        guard images.dimension(0) == classes.elementCount else {
            throw .invalidArgument("\(labels): expected \(images.dimension(0)) labels, one for each row of \(features), found \(classes.elementCount)")
        }
        // Images of one channel say so.
        if images.rank == 3 { images = images.reshaped(try (images.shape + [1]).validated()) }
        let numbers = try classes.integers(labels)
        guard let last = numbers.max(), numbers.allSatisfy({ $0 >= 0 }) else {
            throw .invalidArgument("\(labels): expected class numbers from 0 on, found \(numbers.min().map { "\($0)" } ?? "none")")
        }
        guard last < 1 << 24 else { throw .invalidArgument("\(labels): expected class numbers from 0 on, found \(last)") }
        try self.init(["features": images, "labels": classes], classes: ["labels": (0...last).map { "\($0)" }])
    }

    /// Reads the four files of a folder in which MNIST and its successors come: `train-images-idx3-ubyte` and so on, plain or with `.gz`.
    /// - Throws: `notFound` when one is missing; otherwise as with a pair of files.
    public static func idxFolder(_ path: String) throws(Status) -> (train: Dataset, test: Dataset) {
        let names = try FileSystem.contents(of: path)
        func file(_ part: String, _ kind: String) throws(Status) -> String {
            // Some programs that unpack them put a dot for the second dash.
            let wanted = ["\(part)-\(kind)-ubyte", "\(part).\(kind)-ubyte"].flatMap { [$0, "\($0).gz"] }
            guard let name = names.first(where: { wanted.contains($0) }) else {
                throw .notFound("\(path): expected a file \(part)-\(kind)-ubyte, with .gz or not")
            }
            return FileSystem.join(path, name)
        }
        let train = try Dataset(idxFile: file("train-images", "idx3"), labels: file("train-labels", "idx1"))
        let test = try Dataset(idxFile: file("t10k-images", "idx3"), labels: file("t10k-labels", "idx1"))
        let (wanted, found) = (try train.column("features").shape, try test.column("features").shape)
        guard wanted == found else {
            throw .invalidArgument("\(path): expected pictures of one shape, found \(wanted) to train on and \(found) to test on")
        }
        return (train, test)
    }

    /// Whether a folder has such files.
    package static func isIDXFolder(_ path: String) -> Bool {
        ((try? FileSystem.contents(of: path)) ?? []).contains { $0.hasPrefix("train-images") && $0.firstRange(of: "idx3") != nil }
    }
}
