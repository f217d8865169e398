package import WeirTensor

/// Writes a checkpoint with one shard. Both files appear when `finish` returns; without `finish` no file is left.
///
/// The index appears last, and when it is on the disk, so is the data. So after a crash a checkpoint with an index is complete. A
/// checkpoint of the same name is replaced: its index is removed first, because it does not fit the new data.
///
/// ```swift
/// var writer = try BundleWriter("/models/model.ckpt-100")
/// try writer.add("weights", tensor)
/// try writer.finish()
/// ```
package struct BundleWriter: ~Copyable {
    private let prefix: String
    private let data: AtomicFile
    private var entries: [ByteString: BundleEntry] = [:]

    /// Starts a checkpoint. Creates the directory if there is none.
    package init(_ prefix: String) throws(Status) {
        self.prefix = prefix
        try FileSystem.createDirectory(FileSystem.directory(of: prefix))
        data = try AtomicFile(BundleFiles.data(prefix, shard: 0, of: 1))
    }

    /// Adds a whole tensor.
    /// - Throws: `invalidArgument` when the name is empty or was added before, `unimplemented` for resources and variants.
    package mutating func add(_ key: ByteString, _ tensor: Tensor) throws(Status) {
        guard !key.bytes.isEmpty else { throw .invalidArgument("The name of a tensor to save is empty") }
        guard entries[key] == nil else { throw .invalidArgument("Adding duplicate key: \(key)") }
        var entry = BundleEntry(tensor.dtype, tensor.shape)
        entry.offset = data.byteCount
        entry.maskedCRC = CRC32C.mask(try data.append(tensor))
        entry.size = data.byteCount - entry.offset
        entries[key] = entry
    }

    /// Adds a slice of a tensor. The other slices are in this or another shard.
    package mutating func add(_ key: ByteString, _ part: ShapeAndSlice, _ tensor: Tensor) throws(Status) {
        guard tensor.shape == part.sliceShape else {
            throw .invalidArgument(
                "Slice in shape_and_slice specification does not match the shape of the tensor to save: "
                    + "\(part.sliceShape), tensor: \(tensor.shape)")
        }
        if part.slice.isFull(of: part.fullShape) { return try add(key, tensor) }
        guard !key.bytes.isEmpty else { throw .invalidArgument("The name of a tensor to save is empty") }
        var whole = entries[key] ?? BundleEntry(tensor.dtype, part.fullShape)
        guard whole.dtype == tensor.dtype, whole.shape == part.fullShape, entries[key] == nil || !whole.slices.isEmpty
        else {
            throw .invalidArgument(
                "\(key) is saved as \(whole.dtype) \(whole.shape) and, in slice \(part.slice), as \(tensor.dtype) "
                    + "of \(part.fullShape)")
        }
        try add(part.slice.key(in: key), tensor)
        whole.slices.append(part.slice)
        entries[key] = whole
    }

    /// Writes the index and renames both files to their final names.
    package consuming func finish() throws(Status) {
        let index = try AtomicFile(BundleFiles.index(prefix))
        try index.append(BundleWriter.table(BundleHeader(shardCount: 1), entries))
        if FileSystem.exists(index.destination) {
            try FileSystem.remove(index.destination)
            try FileSystem.sync(FileSystem.directory(of: index.destination))
        }
        try data.commit(durably: true)
        do { try index.commit(durably: true) } catch {
            try? FileSystem.remove(data.destination)
            throw error
        }
    }

    static func table(_ header: BundleHeader, _ entries: [ByteString: BundleEntry]) -> [UInt8] {
        var table = BlockTableBuilder()
        table.add(BundleHeader.key, header.encoded)
        for (key, entry) in entries.sorted(by: { $0.key < $1.key }) { table.add(key.bytes, entry.encoded) }
        return table.finish()
    }
}
