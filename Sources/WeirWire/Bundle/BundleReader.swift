package import WeirTensor

/// Reads the tensors of a checkpoint: a table of entries (`P.index`) and data files (`P.data-00000-of-00001`, …).
///
/// Opening reads only the index block of the table, and a look-up reads one block: a step that restores a thousand variables
/// with one op each opens the checkpoint a thousand times. Not thread-safe.
package final class BundleReader {
    package let prefix: String
    private let table: BlockTable
    private let header: BundleHeader
    private var shards: [Int: InputFile] = [:]

    /// Opens a checkpoint.
    /// - Throws: `notFound` when there is no checkpoint of that prefix, `dataLoss` when its table is damaged.
    package init(_ prefix: String) throws(Status) {
        self.prefix = prefix
        do { table = try BlockTable(BundleFiles.index(prefix)) } catch {
            guard error.code == .notFound else { throw error }
            // TensorFlow's message: its clients search for this text.
            throw .notFound(
                "Unsuccessful TensorSliceReader constructor: Failed to find any matching files for \(prefix)")
        }
        guard let bytes = try table.value(of: BundleHeader.key) else {
            throw .dataLoss("Checkpoint \(prefix): its index has no header")
        }
        header = try BundleHeader(bytes, prefix: prefix)
    }

    package var shardCount: Int { header.shardCount }
    package var version: Int { header.producer }

    package func contains(_ key: ByteString) throws(Status) -> Bool { try table.value(of: key.bytes) != nil }

    /// The entry of a tensor or slice.
    /// - Throws: `notFound` when the checkpoint does not contain it.
    package func entry(_ key: ByteString) throws(Status) -> BundleEntry {
        guard !key.bytes.isEmpty, let bytes = try table.value(of: key.bytes) else {
            throw .notFound("Key \(key) not found in checkpoint")
        }
        return try BundleEntry(bytes, key: key)
    }

    /// Calls `body` for every entry, in key order. Slices come first: their keys begin with a zero byte.
    package func forEachEntry(_ body: (ByteString, BundleEntry) throws(Status) -> Void) throws(Status) {
        try table.forEach { (key, value) throws(Status) in
            if key == BundleHeader.key { return }
            try body(ByteString(key), try BundleEntry(value, key: ByteString(key)))
        }
    }

    /// All tensors with their names. A partitioned tensor is listed once.
    package func tensors() throws(Status) -> [(name: ByteString, entry: BundleEntry)] {
        var found: [(ByteString, BundleEntry)] = []
        try forEachEntry { (key, entry) throws(Status) in
            if key.bytes[0] != 0 { found.append((key, entry)) }
        }
        return found
    }

    /// Reads everything and compares it with the checksums.
    /// - Throws: `dataLoss` when the files are damaged, `notFound` when a data file is missing.
    package func verify() throws(Status) {
        var found: [(ByteString, BundleEntry)] = []
        try forEachEntry { (key, entry) throws(Status) in found.append((key, entry)) }
        for (key, entry) in found where entry.slices.isEmpty {
            switch entry.dtype {
            case .resource, .variant: continue
            default: _ = try read(entry, key)
            }
        }
    }

    /// Reads a whole tensor. A partitioned tensor is assembled from its slices.
    package func tensor(_ key: ByteString) throws(Status) -> Tensor {
        let entry = try entry(key)
        if entry.slices.isEmpty { return try read(entry, key) }
        return try assemble(key, entry, .full(rank: entry.shape.rank))
    }

    /// Reads a part of a tensor, from all stored slices that overlap it.
    package func tensor(_ key: ByteString, _ part: ShapeAndSlice) throws(Status) -> Tensor {
        let entry = try entry(key)
        guard entry.shape == part.fullShape else {
            throw .invalidArgument(
                "tensor_name = \(key); shape in shape_and_slice spec \(part.fullShape) does not match the shape stored "
                    + "in checkpoint: \(entry.shape)")
        }
        if entry.slices.isEmpty, part.slice.isFull(of: entry.shape) { return try read(entry, key) }
        return try assemble(key, entry, part.slice)
    }

    private func assemble(_ key: ByteString, _ full: BundleEntry, _ wanted: TensorSlice) throws(Status) -> Tensor {
        let ranges = try wanted.ranges(in: full.shape)
        let shape = try wanted.shape(in: full.shape)
        let slices = full.slices.isEmpty ? [.full(rank: full.shape.rank)] : full.slices
        let places = try slices.map { slice throws(Status) in try slice.ranges(in: full.shape) }
        // If slices overlapped, the sum of their sizes could equal the size of the tensor although elements are missing.
        if let (first, second) = firstOverlap(places) {
            throw .internalError(
                "Checkpoint \(prefix): \(key): Overlapping slices: existing slice = \(slices[first]), new slice = \(slices[second])")
        }
        // All entries are checked before memory is allocated, so that the files must be large enough to fill it.
        var parts: [(ranges: [Range<Int>], entry: BundleEntry)] = []
        var covered = 0
        for (slice, place) in zip(slices, places) {
            let common = overlap(place, ranges)
            if common == 0 { continue }
            let part = try slice.isFull(of: full.shape) ? full : entry(slice.key(in: key))
            guard part.dtype == full.dtype, part.shape == (try slice.shape(in: full.shape)) else {
                throw .dataLoss(
                    "Checkpoint \(prefix): slice \(slice) of \(key) is \(part.dtype) \(part.shape), the whole is "
                        + "\(full.dtype) \(full.shape)")
            }
            try shard(part).checkEntry(part, key)
            covered &+= common
            parts.append((place, part))
        }
        guard covered == shape.elementCount else {
            throw .invalidArgument(
                "Does not have sufficient slices for partitioned tensor \(key) to restore in slice_spec: \(wanted)")
        }
        let result = try Tensor.zeros(full.dtype, shape)
        for part in parts {
            copyOverlap(from: try read(part.entry, key), at: part.ranges, to: result, at: ranges)
        }
        return result
    }

    private func read(_ entry: BundleEntry, _ key: ByteString) throws(Status) -> Tensor {
        do {
            return try shard(entry).read(entry, key)
        } catch {
            throw error.code == .dataLoss
                ? .dataLoss("TensorBundle at \(prefix) shard \(entry.shard): \(error.message)") : error
        }
    }

    private func shard(_ entry: BundleEntry) throws(Status) -> InputFile {
        if let open = shards[entry.shard] { return open }
        guard entry.shard >= 0, entry.shard < header.shardCount else {
            throw .dataLoss("Checkpoint \(prefix) has \(header.shardCount) shards, an entry is in shard \(entry.shard)")
        }
        let file = try InputFile(BundleFiles.data(prefix, shard: entry.shard, of: header.shardCount))
        shards[entry.shard] = file
        return file
    }
}
