public import WeirTensor
import WeirWire

/// Reads and writes arrays as NumPy saves them: one in a `.npy` file, several with names in a `.npz` archive. Arrays are of numbers or
/// Booleans, little-endian, in C or Fortran order.
public enum NumpyArchive {
    /// Reads the arrays of a `.npz` archive, compressed or not, by name.
    /// - Throws: `notFound` when the file does not exist; `dataLoss` when it is damaged; `invalidArgument` when an array has another type.
    ///   The message names the file and the array.
    public static func read(_ path: String) throws(Status) -> [String: Tensor] {
        let archive = try ZipArchive(path)
        var arrays: [String: Tensor] = [:]
        for entry in archive.entries {
            guard entry.name.hasSuffix(".npy") else { throw .invalidArgument("\(path): expected arrays, whose names end in .npy; found entry '\(entry.name)'") }
            let name = String(entry.name.dropLast(4))
            guard arrays[name] == nil else { throw .dataLoss("\(path): expected each array once, found '\(name)' twice") }
            let bytes = try archive.contents(of: entry)
            do throws(Status) { arrays[name] = try NumpyFile.tensor(from: bytes) } catch {
                throw Status(error.code, "\(path): array '\(name)': \(error.message)")
            }
        }
        return arrays
    }

    /// Writes arrays to a `.npz` archive without compression, as `numpy.savez` does, atomically.
    /// - Throws: `invalidArgument` when NumPy has no such type; `unimplemented` for 4 GiB or more; the error of a file.
    public static func write(_ arrays: [String: Tensor], to path: String) throws(Status) {
        var archive = try ZipWriter(path)
        for (name, tensor) in arrays.sorted(by: { $0.key < $1.key }) { try archive.append("\(name).npy", NumpyFile.bytes(of: tensor)) }
        try archive.finish()
    }

    /// Reads the array of a `.npy` file.
    /// - Throws: as `read`.
    public static func readArray(_ path: String) throws(Status) -> Tensor { try NumpyFile.tensor(contentsOf: path) }

    /// Writes an array to a `.npy` file, atomically.
    /// - Throws: `invalidArgument` when NumPy has no such type; the error of a file.
    public static func writeArray(_ tensor: Tensor, to path: String) throws(Status) { try NumpyFile.write(tensor, to: path) }
}

extension Dataset {
    /// Reads a `.npz` archive into memory: each array is a column, and has the rows as first dimension.
    /// - Throws: as `NumpyArchive.read`; `invalidArgument` when the arrays have different numbers of rows.
    public init(numpyFile path: String) throws(Status) {
        do throws(Status) { try self.init(NumpyArchive.read(path)) } catch { throw error.naming(path) }
    }

    /// Writes all rows to a `.npz` archive. They must fit into memory; it may block.
    /// - Throws: as `NumpyArchive.write`; the error of reading the rows.
    public func write(numpyFile path: String) throws(Status) { try NumpyArchive.write(source.rows(Array(0..<rowCount)), to: path) }
}

extension Status {
    /// This status with a file's name before its message, unless it is there.
    func naming(_ path: String) -> Status { message.hasPrefix(path) ? self : Status(code, "\(path): \(message)", isDerived: isDerived) }
}
