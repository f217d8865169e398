import WeirTensor
import WeirWire

/// The `checkpoint` file of a folder, and the checkpoints that it lists. TensorFlow's `CheckpointState`.
enum CheckpointFolder {
    /// Writes the `checkpoint` file of the folder of the latest checkpoint, then removes those that are not kept. In this order a crash
    /// leaves a file that lists checkpoints that exist.
    static func record(_ retention: CheckpointRetention, removing removed: [CheckpointRetention.Entry]) throws(Status) {
        guard let latest = retention.entries.last else { return }
        let directory = FileSystem.directory(of: latest.path)
        // Paths in the file are absolute, or relative to the directory.
        let listed = retention.entries.filter { FileSystem.directory(of: $0.path) == directory }
        let names = listed.map { $0.path.hasPrefix("/") || directory.isEmpty ? $0.path : String($0.path.dropFirst(directory.count + 1)) }
        var state = CheckpointState(latest: names[names.count - 1], all: names)
        if retention.preservedInterval != nil {
            state.timestamps = listed.map(\.time)
            state.lastPreserved = retention.lastPreserved
        }
        try FileSystem.createDirectory(directory)
        try state.write(in: directory)
        for old in removed { try BundleFiles.remove(old.path) }
    }

    /// The checkpoints with this prefix that a folder lists and that are there, oldest first.
    static func entries(_ prefix: String) throws(Status) -> (entries: [CheckpointRetention.Entry], lastPreserved: Double?) {
        let directory = FileSystem.directory(of: prefix)
        guard let state = try CheckpointState.read(in: directory) else { return ([], nil) }
        var times: [String: Double] = [:]
        for (path, time) in zip(state.all, state.timestamps) { times[FileSystem.join(directory, path)] = time }
        var entries: [CheckpointRetention.Entry] = []
        for path in state.prefixes(in: directory).reversed() where isNumbered(path, prefix) && FileSystem.exists(BundleFiles.index(path)) {
            let time: Double
            if let known = times[path] { time = known } else { time = try FileSystem.modificationTime(of: BundleFiles.index(path)) }
            entries.append(CheckpointRetention.Entry(path: path, time: time))
        }
        return (entries, state.lastPreserved)
    }

    /// The latest checkpoint with this prefix that can be read. Everything in it is read and compared with its checksums.
    /// - Parameter skipping: is called for each later checkpoint that is damaged or gone.
    /// - Returns: nil when the folder lists none, or none of those that it lists is there.
    /// - Throws: `dataLoss` when the folder has checkpoints but none can be read, or its `checkpoint` file is malformed.
    static func latestReadable(_ prefix: String, skipping: (_ path: String, _ problem: Status) -> Void) throws(Status) -> String? {
        try latestReadable(in: FileSystem.directory(of: prefix), of: prefix, { isNumbered($0, prefix) }, skipping: skipping)
    }

    /// As above, whatever the prefix.
    static func latestReadable(in directory: String, skipping: (_ path: String, _ problem: Status) -> Void) throws(Status) -> String? {
        try latestReadable(in: directory, of: directory, { _ in true }, skipping: skipping)
    }

    private static func latestReadable(
        in directory: String, of what: String, _ isWanted: (String) -> Bool, skipping: (_ path: String, _ problem: Status) -> Void
    ) throws(Status) -> String? {
        guard let state = try CheckpointState.read(in: directory) else { return nil }
        var damaged: Status?
        for path in state.prefixes(in: directory) where isWanted(path) {
            do {
                try BundleReader(path).verify()
                return path
            } catch {
                skipping(path, error)
                // A checkpoint that was removed, or whose saving was cut short, has no index.
                if FileSystem.exists(BundleFiles.index(path)) { damaged = damaged ?? error }
            }
        }
        if let damaged {
            throw .dataLoss("No checkpoint of \(what) can be read. The latest is damaged: \(damaged.message)")
        }
        return nil
    }

    /// Tells a user of a checkpoint that is not taken.
    static func notice(ofSkipped path: String, _ problem: Status) -> String {
        "CHECKPOINT NOT USED: \(path) cannot be read (\(problem.message)); trying the one before"
    }

    /// The prefix of a checkpoint whose name ends in `-` and a number; nil for another name.
    static func prefix(ofNumbered path: String) -> String? {
        guard let dash = path.lastIndex(of: "-") else { return nil }
        let prefix = String(path[..<dash])
        return isNumbered(path, prefix) ? prefix : nil
    }

    /// Whether the name of a path is that of the prefix, `-` and a number.
    static func isNumbered(_ path: String, _ prefix: String) -> Bool {
        let name = path.split(separator: "/").last ?? ""
        let base = prefix.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
        let number = name.dropFirst(base.count + 1)
        return name.hasPrefix("\(base)-") && !number.isEmpty && number.allSatisfy(\.isNumber)
    }
}
