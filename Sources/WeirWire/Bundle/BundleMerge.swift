package import WeirTensor

/// Merges the checkpoints that the tasks of a cluster have written into one.
package enum BundleMerge {
    /// Merges the checkpoints `prefixes` into `destination`. Data files are renamed; indexes are merged and then removed.
    ///
    /// - Parameters:
    ///   - deletingDirectories: removes the directories of the parts that are then empty.
    ///   - allowingMissing: ignores missing parts, if at least one part exists.
    /// - Throws: `invalidArgument` when two parts contain the same tensor or a part is missing.
    package static func merge(
        _ prefixes: [String], into destination: String, deletingDirectories: Bool = true, allowingMissing: Bool = false
    ) throws(Status) {
        var merged = Merged()
        for prefix in prefixes {
            do { try merged.add(try BundleReader(prefix)) } catch {
                guard error.code == .notFound else { throw error }
                guard allowingMissing else {
                    throw .invalidArgument(
                        "allow_missing_files was set to false and \(prefix) did not exist.\(error)")
                }
            }
        }
        guard let version = merged.version else {
            throw .invalidArgument("At least one prefix checkpoint file must exist, but none existed.")
        }
        let directory = FileSystem.directory(of: destination)
        try FileSystem.createDirectory(directory)
        var header = BundleHeader(shardCount: merged.shardCount)
        header.producer = version
        // The index is written first: when this fails, the parts must be unchanged.
        let index = try AtomicFile(BundleFiles.index(destination))
        try index.append(BundleWriter.table(header, merged.entries))
        // An index of an earlier checkpoint of this name does not fit the new data.
        if !prefixes.contains(destination), FileSystem.exists(index.destination) {
            try FileSystem.remove(index.destination)
            try FileSystem.sync(directory)
        }
        for (file, shard) in merged.shards.sorted(by: { $0.value < $1.value }) {
            try FileSystem.rename(file, to: BundleFiles.data(destination, shard: shard, of: merged.shardCount))
        }
        try FileSystem.sync(directory)
        try index.commit(durably: true)
        // The checkpoint is complete. Errors of the clean-up are ignored.
        for prefix in prefixes where prefix != destination { try? FileSystem.remove(BundleFiles.index(prefix)) }
        for file in merged.unused { try? FileSystem.remove(file) }
        guard deletingDirectories else { return }
        for part in Set(prefixes.map(FileSystem.directory)) where part != directory {
            try? FileSystem.removeDirectory(part)
        }
    }

    private struct Merged {
        var entries: [ByteString: BundleEntry] = [:]
        /// The shard numbers of the data files, in the order in which entries first mention them.
        var shards: [String: Int] = [:]
        var version: Int?

        /// Data files without entries, of tasks that had nothing to save.
        var unused: Set<String> = []

        var shardCount: Int { shards.count }

        mutating func add(_ part: BundleReader) throws(Status) {
            guard version ?? part.version == part.version else {
                throw .invalidArgument("Merging checkpoints of versions \(version ?? 0) and \(part.version)")
            }
            version = part.version
            // Each task writes one shard.
            if part.shardCount == 1 { unused.insert(BundleFiles.data(part.prefix, shard: 0, of: 1)) }
            var found: [(ByteString, BundleEntry)] = []
            try part.forEachEntry { (key, entry) throws(Status) in found.append((key, entry)) }
            for (key, entry) in found { try add(key, entry, part) }
        }

        private mutating func add(_ key: ByteString, _ entry: BundleEntry, _ part: BundleReader) throws(Status) {
            if var known = entries[key] {
                guard !known.slices.isEmpty, !entry.slices.isEmpty else {
                    throw .invalidArgument(
                        "Duplicate tensor keyed by \(key) encountered, when merging prefix: \(part.prefix)")
                }
                guard known.dtype == entry.dtype, known.shape == entry.shape else {
                    throw .invalidArgument(
                        "\(key) is \(known.dtype) \(known.shape) in one part, \(entry.dtype) \(entry.shape) in "
                            + "\(part.prefix)")
                }
                known.slices += entry.slices
                entries[key] = known
                return
            }
            var entry = entry
            let file = BundleFiles.data(part.prefix, shard: entry.shard, of: part.shardCount)
            let shard = shards[file] ?? shards.count
            shards[file] = shard
            unused.remove(file)
            entry.shard = shard
            entries[key] = entry
        }
    }
}
