package import WeirTensor

/// The contents of a directory's `checkpoint` file: the list of checkpoints, and the latest one.
///
/// The file is protobuf text, so that people can edit it. Paths are relative to the directory unless they begin with a slash.
package struct CheckpointState: Hashable, Sendable {
    package static let fileName = "checkpoint"

    package var latest: String
    /// Oldest first, the latest included.
    package var all: [String]
    /// The times when the checkpoints in `all` were written, in seconds since 1970; may be empty.
    package var timestamps: [Double]
    /// The time when a checkpoint was last kept permanently, in seconds since 1970.
    package var lastPreserved: Double?

    package init(latest: String, all: [String]? = nil, timestamps: [Double] = [], lastPreserved: Double? = nil) {
        self.latest = latest
        self.all = all ?? [latest]
        self.timestamps = timestamps
        self.lastPreserved = lastPreserved
    }

    /// Reads the state of a directory.
    /// - Returns: nil when the directory has no such file.
    /// - Throws: `dataLoss` when the file is malformed.
    package static func read(in directory: String, name: String = fileName) throws(Status) -> CheckpointState? {
        let path = FileSystem.join(directory, name)
        do {
            return try CheckpointState(text: String(decoding: try InputFile.contents(of: path), as: UTF8.self))
        } catch {
            if error.code == .notFound { return nil }
            throw error.code == .dataLoss ? .dataLoss("\(path): \(error.message)") : error
        }
    }

    /// Replaces the file atomically: readers see either the old contents or the new, also after a crash.
    package func write(in directory: String, name: String = fileName) throws(Status) {
        try AtomicFile.write(Array(text.utf8), to: FileSystem.join(directory, name), durably: true)
    }

    /// The prefix of the latest checkpoint in a directory; nil when there is none or its index file is missing.
    package static func latestCheckpoint(in directory: String, name: String = fileName) throws(Status) -> String? {
        guard let state = try read(in: directory, name: name), !state.latest.isEmpty else { return nil }
        let prefix = FileSystem.join(directory, state.latest)
        return FileSystem.exists(BundleFiles.index(prefix)) ? prefix : nil
    }

    /// The prefixes of the checkpoints of a directory, newest first.
    package func prefixes(in directory: String) -> [String] {
        var found: [String] = []
        for path in [latest] + all.reversed() where !path.isEmpty {
            let prefix = FileSystem.join(directory, path)
            if !found.contains(prefix) { found.append(prefix) }
        }
        return found
    }
}

extension CheckpointState {
    package var text: String {
        var lines = ["model_checkpoint_path: \(ProtoText.quoted(latest))"]
        lines += all.map { "all_model_checkpoint_paths: \(ProtoText.quoted($0))" }
        lines += timestamps.map { "all_model_checkpoint_timestamps: \($0)" }
        if let lastPreserved { lines.append("last_preserved_timestamp: \(lastPreserved)") }
        return lines.joined(separator: "\n") + "\n"
    }

    package init(text: String) throws(Status) {
        self.init(latest: "", all: [])
        var reader = ProtoText(text)
        while let (name, values) = try reader.field() {
            switch name {
            case "model_checkpoint_path": latest = values.last ?? ""
            case "all_model_checkpoint_paths": all += values
            case "all_model_checkpoint_timestamps": timestamps += try values.map(ProtoText.number)
            case "last_preserved_timestamp": lastPreserved = try values.last.map(ProtoText.number)
            default: break
            }
        }
    }
}
