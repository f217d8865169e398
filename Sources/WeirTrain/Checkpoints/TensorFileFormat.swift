import WeirTensor

/// A format of files that hold tensors with names.
enum TensorFileFormat {
    case checkpoint, safetensors, numpy

    /// The format that a name says. A checkpoint has no suffix.
    init(_ path: String) {
        self = path.hasSuffix(".safetensors") ? .safetensors : path.hasSuffix(".npz") ? .numpy : .checkpoint
    }

    /// The format in which a file is to be written.
    ///
    /// A checkpoint's name may have dots, as `model-0.5` and TensorFlow's `model.ckpt-100`. Another ending would be one of a format that is not
    /// written.
    /// - Throws: `invalidArgument` with the known endings when the name has another one.
    init(writing path: String) throws(Status) {
        self.init(path)
        guard case .checkpoint = self else { return }
        let name = path.split(separator: "/").last ?? ""
        guard let dot = name.lastIndex(of: ".") else { return }
        let ending = name[name.index(after: dot)...]
        let isNumber = ending.allSatisfy { $0.isNumber || $0 == "-" }
        guard isNumber || ending == "ckpt" || ending.hasPrefix("ckpt-") else {
            throw .invalidArgument(
                "\(path): expected a name that ends with .safetensors or .npz, or a checkpoint's, which has no ending or .ckpt; found '.\(ending)'")
        }
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
