import WeirTensor

/// The header of a `.npy` array, a Python dictionary such as
/// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`.
struct NumpyHeader {
    /// The longest supported header, including the bytes before it.
    static let longest = 64 << 10

    /// NumPy's type codes. When writing, the first code of a type is used.
    static let codes: [(code: String, dtype: DType)] = [
        ("<f4", .float32), ("<f8", .float64), ("<f2", .float16), ("<i4", .int32), ("<i8", .int64), ("<i2", .int16),
        ("|i1", .int8), ("|u1", .uint8), ("<u2", .uint16), ("<u4", .uint32), ("<u8", .uint64), ("|b1", .bool),
        ("<c8", .complex64), ("<c16", .complex128), ("<i1", .int8), ("<u1", .uint8), ("<b1", .bool), ("?", .bool),
    ]

    let dtype: DType
    let shape: Shape
    /// Whether the first index varies fastest, as in Fortran.
    let isFortranOrder: Bool
    /// The number of bytes before the first element.
    let byteCount: Int

    init(_ bytes: [UInt8]) throws(Status) {
        let range = try NumpyFile.textRange(bytes)
        byteCount = range.upperBound
        let fields = try NumpyHeader.fields(String(decoding: bytes[range], as: UTF8.self))
        guard let code = fields["descr"], let dtype = NumpyHeader.codes.first(where: { $0.code == code })?.dtype else {
            throw .invalidArgument(
                "A little-endian .npy array of numbers is expected, found descr '\(fields["descr"] ?? "")'")
        }
        guard let order = fields["fortran_order"], order == "False" || order == "True" else {
            throw .invalidArgument("A .npy header with fortran_order True or False is expected, found '\(fields["fortran_order"] ?? "")'")
        }
        isFortranOrder = order == "True"
        guard let tuple = fields["shape"] else { throw .invalidArgument("The .npy header has no shape") }
        var dimensions: [Int] = []
        for word in tuple.split(whereSeparator: { $0 == "," || $0 == " " }) {
            guard let dimension = Int(word) else { throw .invalidArgument("(\(tuple)) in a .npy header is no shape") }
            dimensions.append(dimension)
        }
        self.dtype = dtype
        shape = try Shape(validating: dimensions)
    }

    /// The values of the dictionary by key, without the quotes of strings and the parentheses of tuples.
    private static func fields(_ text: String) throws(Status) -> [String: String] {
        let malformed = Status.invalidArgument("Not a .npy header: \(text.prefix(200))")
        var fields: [String: String] = [:]
        var rest = text.drop { " \n".contains($0) }
        guard rest.popFirst() == "{" else { throw malformed }

        func next(until end: Character) throws(Status) -> String {
            guard let stop = rest.firstIndex(of: end) else { throw malformed }
            defer { rest = rest[rest.index(after: stop)...] }
            return String(rest[..<stop])
        }
        while true {
            rest = rest.drop { " ,\n".contains($0) }
            guard let quote = rest.popFirst() else { throw malformed }
            if quote == "}" { return fields }
            guard "'\"".contains(quote) else { throw malformed }
            let key = try next(until: quote)
            guard try next(until: ":").allSatisfy({ $0 == " " }) else { throw malformed }
            rest = rest.drop { $0 == " " }
            switch rest.first {
            case "'", "\"":
                let quote = rest.removeFirst()
                fields[key] = try next(until: quote)
            case "(":
                rest.removeFirst()
                fields[key] = try next(until: ")")
            default:
                let value = rest.prefix { !",}".contains($0) }
                rest = rest[value.endIndex...]
                fields[key] = value.filter { $0 != " " }
            }
        }
    }

    /// Allocates the tensor.
    /// - Throws: `invalidArgument` when `dataByteCount`, the bytes after the header, does not fit dtype and shape.
    func tensor(dataByteCount: Int) throws(Status) -> Tensor {
        let (expected, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        guard !overflow, expected == dataByteCount else {
            throw .invalidArgument(
                "A .npy array of \(dtype) of shape \(shape) has \(dataByteCount) bytes of elements, expected "
                    + (overflow ? "more" : "\(expected)"))
        }
        return try Tensor(dtype, shape)
    }

    /// Returns the tensor after checking its elements, in row-major order.
    /// - Throws: `invalidArgument` when a bool is neither 0 nor 1.
    func checked(_ tensor: Tensor) throws(Status) -> Tensor {
        if dtype == .bool, tensor.bytes.reduce(0, |) > 1 {
            throw .invalidArgument("A .npy array of bool has bytes other than 0 and 1")
        }
        return isFortranOrder && shape.rank > 1 && tensor.elementCount > 1 ? try NumpyHeader.transposed(tensor) : tensor
    }

    /// The elements of a tensor that has them in Fortran's order, in row-major order.
    private static func transposed(_ tensor: Tensor) throws(Status) -> Tensor {
        let result = try Tensor(tensor.dtype, tensor.shape)
        let (sizes, width) = (tensor.shape.dimensions, tensor.dtype.byteCount)
        // How many elements apart neighbours along each dimension are.
        var strides = [1]
        for size in sizes.dropLast() { strides.append(strides[strides.count - 1] * size) }
        var indices = [Int](repeating: 0, count: sizes.count)
        var source = 0
        for target in 0..<tensor.elementCount {
            (result.address + target * width).copyMemory(from: tensor.address + source * width, byteCount: width)
            var dimension = sizes.count - 1
            while dimension >= 0 {
                indices[dimension] += 1
                source += strides[dimension]
                if indices[dimension] < sizes[dimension] { break }
                source -= strides[dimension] * sizes[dimension]
                indices[dimension] = 0
                dimension -= 1
            }
        }
        withExtendedLifetime(tensor) {}
        return result
    }
}
