package import WeirTensor

/// Reads and writes arrays in NumPy's `.npy` format: little-endian, of the types that both sides support. Arrays in Fortran's order are
/// read, and become row-major.
package enum NumpyFile {
    private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

    /// Reads a file into a tensor. The elements are read directly into the tensor's memory.
    /// - Throws: `notFound` when the file does not exist; `invalidArgument` when it is not such an array. The message names it.
    package static func tensor(contentsOf path: String) throws(Status) -> Tensor {
        let file = try InputFile(path)
        let byteCount = try file.byteCount()
        do {
            let start = try file.read(at: 0, count: min(byteCount, NumpyHeader.longest))
            let header = try NumpyHeader(start)
            let tensor = try header.tensor(dataByteCount: byteCount - header.byteCount)
            try file.readAll(at: header.byteCount, into: tensor.mutableBytes)
            return try header.checked(tensor)
        } catch {
            throw error.message.hasPrefix(path) ? error : Status(error.code, "\(path): \(error.message)")
        }
    }

    /// Decodes the bytes of a `.npy` file.
    /// - Throws: `invalidArgument` when they are not such an array.
    package static func tensor(from bytes: [UInt8]) throws(Status) -> Tensor {
        let header = try NumpyHeader(bytes)
        let tensor = try header.tensor(dataByteCount: bytes.count - header.byteCount)
        if tensor.byteCount > 0 {
            bytes.withUnsafeBytes { tensor.mutableBytes.copyMemory(from: .init(rebasing: $0[header.byteCount...])) }
        }
        return try header.checked(tensor)
    }

    /// Encodes a tensor in host memory as a `.npy` file.
    /// - Throws: `invalidArgument` for types that NumPy does not have.
    package static func bytes(of tensor: Tensor) throws(Status) -> [UInt8] {
        try header(of: tensor) + Array(tensor.bytes)
    }

    /// Writes a `.npy` file atomically.
    /// - Throws: `invalidArgument` for types that NumPy does not have; for file errors see `Status.system`.
    package static func write(_ tensor: Tensor, to path: String) throws(Status) {
        let file = try AtomicFile(path)
        try file.append(try header(of: tensor))
        try file.append(tensor.bytes)
        try file.commit()
    }

    private static func header(of tensor: Tensor) throws(Status) -> [UInt8] {
        guard let code = NumpyHeader.codes.first(where: { $0.dtype == tensor.dtype })?.code else {
            throw .invalidArgument("NumPy has no type for \(tensor.dtype)")
        }
        // Python writes a tuple of one element with a comma.
        let shape = tensor.shape.dimensions.map { "\($0)," }.joined(separator: " ")
        let tuple = tensor.rank == 1 ? shape : String(shape.dropLast())
        var text = "{'descr': '\(code)', 'fortran_order': False, 'shape': (\(tuple)), }"
        // The elements begin at a multiple of 64 bytes, so that the file can be mapped.
        let prefixCount = magic.count + 4
        text += String(repeating: " ", count: 63 - (prefixCount + text.utf8.count) % 64) + "\n"
        var bytes = magic + [1, 0]
        bytes.appendLittleEndian(UInt16(text.utf8.count))
        return bytes + Array(text.utf8)
    }

    /// The range of the header's text, which follows the magic and the version.
    static func textRange(_ bytes: [UInt8]) throws(Status) -> Range<Int> {
        guard bytes.starts(with: magic), bytes.count >= 12 else {
            throw .invalidArgument("Not a .npy array: it must begin with \\x93NUMPY")
        }
        let isLong = bytes[6] > 1
        guard (1...3).contains(bytes[6]) else {
            throw .invalidArgument("A .npy array of format version 1, 2 or 3 is expected, found \(bytes[6])")
        }
        var count = Int(bytes[8]) | Int(bytes[9]) << 8
        if isLong { count |= Int(bytes[10]) << 16 | Int(bytes[11]) << 24 }
        let start = isLong ? 12 : 10
        guard count <= NumpyHeader.longest - 12, count <= bytes.count - start else {
            throw .invalidArgument("A .npy header of \(count) bytes is longer than the array, or than any that is read")
        }
        return start..<start + count
    }
}
