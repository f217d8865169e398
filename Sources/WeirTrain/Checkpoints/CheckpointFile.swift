public import WeirTensor
import WeirWire

/// The tensors of a checkpoint, or of another file of tensors with names: `.safetensors`, `.npz`.
///
/// ```swift
/// let file = try CheckpointFile("run/model-1000")
/// for entry in file.entries { print(entry.name, entry.dtype, entry.shape) }
/// let weights = try file.tensor("layer/weights")
/// ```
/// Not thread-safe.
public final class CheckpointFile {
    /// A tensor of a file.
    public struct Entry: Hashable, Sendable {
        /// The name.
        public let name: String
        /// The element type.
        public let dtype: DType
        /// The shape.
        public let shape: Shape
        /// The bytes in the file. Of a tensor in slices, those of all slices.
        public let byteCount: Int
        /// The number of slices in which the tensor is stored; 1 for a whole one.
        public let sliceCount: Int
    }

    private enum Contents {
        case bundle(BundleReader)
        case tensors([String: Tensor])
    }

    /// The path: of a checkpoint without suffixes.
    public let path: String
    /// The tensors, sorted by name.
    public let entries: [Entry]
    private let contents: Contents

    /// Opens a file.
    /// - Parameter path: a checkpoint, also by the name of its index; the folder of a training, of which the latest checkpoint is taken;
    ///   the folder of a SavedModel; a `.safetensors` or `.npz` file.
    /// - Throws: `notFound` when there is no such file; `dataLoss` when it is damaged.
    public init(_ path: String) throws(Status) {
        switch TensorFileFormat(path) {
        case .checkpoint:
            let prefix = try CheckpointFile.prefix(path)
            self.path = prefix
            let reader: BundleReader
            do throws(Status) {
                reader = try BundleReader(prefix)
            } catch {
                guard error.code == .notFound else { throw error }
                throw .notFound(
                    "\(path): expected a checkpoint's name such as run/fold-1/model-200, of which \(BundleFiles.index("run/fold-1/model-200")) exists, the folder "
                        + "of a training or a SavedModel, or a .safetensors or .npz file; found none of these")
            }
            contents = .bundle(reader)
            entries = try CheckpointFile.entries(reader)
        case let format:
            self.path = path
            let tensors = try format.read(path)
            contents = .tensors(tensors)
            entries = tensors.sorted { $0.key < $1.key }.map {
                Entry(name: $0.key, dtype: $0.value.dtype, shape: $0.value.shape, byteCount: $0.value.byteCount, sliceCount: 1)
            }
        }
    }

    /// The checkpoint that a path means.
    private static func prefix(_ path: String) throws(Status) -> String {
        if path.hasSuffix(".index"), FileSystem.exists(path) { return String(path.dropLast(6)) }
        guard FileSystem.isDirectory(path) else { return path }
        let saved = FileSystem.join(path, "variables/variables")
        if FileSystem.exists(BundleFiles.index(saved)) { return saved }
        guard let latest = try CheckpointState.latestCheckpoint(in: path) else {
            throw .notFound("\(path): expected the folder of checkpoints or of a SavedModel, found neither a file 'checkpoint' nor variables/variables.index")
        }
        return latest
    }

    private static func entries(_ reader: BundleReader) throws(Status) -> [Entry] {
        var sizes: [ByteString: Int] = [:]
        try reader.forEachEntry { (key, entry) throws(Status) in sizes[key] = entry.size }
        var entries: [Entry] = []
        for (name, entry) in try reader.tensors() {
            var byteCount = entry.size
            for slice in entry.slices where !slice.isFull(of: entry.shape) {
                let key = slice.key(in: name)
                byteCount = byteCount &+ (sizes[key] ?? 0)
            }
            entries.append(
                Entry(name: name.description, dtype: entry.dtype, shape: entry.shape, byteCount: byteCount, sliceCount: max(1, entry.slices.count)))
        }
        return entries
    }

    /// Reads a tensor. A partitioned one is assembled from its slices.
    /// - Throws: `notFound` with similar names when there is none of this name; `dataLoss` when it is damaged.
    public func tensor(_ name: String) throws(Status) -> Tensor {
        guard entries.contains(where: { $0.name == name }) else {
            let near = name.nearest(among: entries.map(\.name), limit: 5)
            throw .notFound("\(path) has no tensor '\(name)'" + (near.isEmpty ? "" : "; near names are \(near.joined(separator: ", "))"))
        }
        switch contents {
        case .bundle(let reader): return try reader.tensor(ByteString(name))
        case .tensors(let tensors):
            guard let tensor = tensors[name] else { throw .internalError("\(path) lists '\(name)' and does not have it") }
            return tensor
        }
    }

    /// Writes the tensors to another file: a checkpoint or, by the suffix, `.safetensors` or `.npz`.
    /// - Returns: the names of the tensors that are not written, because they are strings, which only a checkpoint can hold, such as
    ///   the objects that TensorFlow 2 describes in its checkpoints.
    /// - Throws: `invalidArgument` for another type that the format does not have; the error of a file.
    public func convert(to path: String) throws(Status) -> [String] {
        let format = try TensorFileFormat(writing: path)
        var left: [String] = []
        if case .checkpoint = format {
            // One tensor at a time.
            var writer = try BundleWriter(path)
            for entry in entries { try writer.add(ByteString(entry.name), try tensor(entry.name)) }
            try writer.finish()
            return []
        }
        var tensors: [String: Tensor] = [:]
        for entry in entries {
            if entry.dtype == .string { left.append(entry.name) } else { tensors[entry.name] = try tensor(entry.name) }
        }
        try format.write(tensors, to: path)
        return left
    }
}
