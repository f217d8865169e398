import WeirTensor

/// A format of files that hold tensors with names.
enum TensorFileFormat {
    case checkpoint, safetensors, numpy

    /// The format that a name says. A checkpoint has no suffix.
    init(_ path: String) {
        self = path.hasSuffix(".safetensors") ? .safetensors : path.hasSuffix(".npz") ? .numpy : .checkpoint
    }

    /// All tensors of a file.
    func read(_ path: String) throws(Status) -> [String: Tensor] {
        switch self {
        case .safetensors: return try SafetensorsFile.read(path)
        case .numpy: return try NumpyArchive.read(path)
        case .checkpoint:
            let file = try CheckpointFile(path)
            var tensors: [String: Tensor] = [:]
            for entry in file.entries { tensors[entry.name] = try file.tensor(entry.name) }
            return tensors
        }
    }

    /// Writes tensors to a file, atomically.
    func write(_ tensors: [String: Tensor], to path: String) throws(Status) {
        switch self {
        case .safetensors: try SafetensorsFile.write(tensors, to: path)
        case .numpy: try NumpyArchive.write(tensors, to: path)
        case .checkpoint: throw .internalError("A checkpoint is written tensor by tensor")
        }
    }
}
