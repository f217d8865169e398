import WeirTensor
import WeirWire

/// Where and when training saves its state, and from where it begins.
///
/// A checkpoint is in TensorFlow's format. It has the number of updates, the model's variables and the optimizer's, so that a training
/// that goes on from it computes what it would have computed without the interruption, with the same batches in the same order. The
/// asynchronous strategy has no such order: there each worker begins with its share of the updates, and a checkpoint may have the
/// updates of a step for some variables only.
public struct TrainingCheckpoint: Hashable, Sendable {
    /// Where the variables' first values come from.
    public enum Source: Hashable, Sendable {
        /// From the model's initial values.
        case initialValues
        /// From the latest checkpoint with the prefix; if there is none, from the initial values. Of checkpoints that are damaged the one
        /// before is taken, and a notice says so; if none can be read, it is an error.
        case latest
        /// From the checkpoint at this path.
        case path(String)
    }

    /// The path of the checkpoints, to which `-` and the number of updates are added. See `layout` for the file systems that it is on.
    public var prefix: String
    /// The number of updates from one checkpoint to the next. Without it and `seconds`, training saves only at its end, which is
    /// always done.
    public var interval: Int?
    /// The seconds from one checkpoint to the next, besides those of `interval`.
    public var seconds: Double?
    /// Where the first values come from.
    public var source: Source
    /// The number of checkpoints that are kept of those that this training writes; nil keeps all.
    public var maxToKeep: Int?
    /// One checkpoint of each so many hours is kept besides those; nil keeps none.
    public var keepEveryHours: Double?
    /// Which tasks read and write the files.
    public var layout = Saver.Layout.gathered

    /// Describes the checkpoints of a training.
    public init(_ prefix: String, every interval: Int? = nil, from source: Source = .initialValues, maxToKeep: Int? = 5) {
        self.prefix = prefix
        self.interval = interval
        self.source = source
        self.maxToKeep = maxToKeep
    }

    /// The same checkpoints in a folder beside the others, for one of several trainings.
    func inFolder(_ name: String) -> TrainingCheckpoint {
        var copy = self
        copy.prefix = FileSystem.join(FileSystem.join(FileSystem.directory(of: prefix), name), fileName)
        return copy
    }

    /// The path of the checkpoint to begin with; nil to begin with initial values.
    /// - Parameter notice: tells the user of a later checkpoint that is not taken, because it is damaged or gone.
    /// - Throws: `dataLoss` when the folder's state file is malformed, or the folder has checkpoints but none can be read.
    func restoredPath(notice: (String) -> Void = { _ in }) throws(Status) -> String? {
        switch source {
        case .initialValues: return nil
        case .path(let path): return path
        case .latest: return try latestReadable(notice: notice)
        }
    }

    /// The path of the latest checkpoint with the prefix that can be read; nil if there is none.
    func latestReadable(notice: (String) -> Void) throws(Status) -> String? {
        try CheckpointFolder.latestReadable(prefix) { path, problem in notice(CheckpointFolder.notice(ofSkipped: path, problem)) }
    }

    /// Makes the folder of the checkpoints, and checks that files can be made in it.
    /// - Throws: the error of the file system, with the prefix, when they cannot.
    func prepareFolder() throws(Status) {
        let folder = FileSystem.directory(of: prefix)
        do throws(Status) {
            try FileSystem.createDirectory(folder)
            let probe = "\(prefix).tempstate\(UInt64.random(in: 0 ... .max))"
            try OutputFile(probe, .create).close()
            try FileSystem.remove(probe)
        } catch {
            throw Status(
                error.code, "Checkpoints '\(prefix)' need a folder that exists or can be created, and in which files can be created; found \(error.message)")
        }
    }

    private var fileName: String { prefix.split(separator: "/", omittingEmptySubsequences: false).last.map(String.init) ?? "" }

    func check() throws(Status) {
        guard !fileName.isEmpty else { throw .invalidArgument("The prefix of checkpoints must end in a file's name, such as 'run/model'; found '\(prefix)'") }
        if let interval, interval < 1 { throw .invalidArgument("Updates from one checkpoint to the next must be at least 1, found \(interval)") }
        if let seconds, !(seconds > 0 && seconds.isFinite) {
            throw .invalidArgument("Seconds from one checkpoint to the next must be greater than 0, found \(seconds)")
        }
        if let keepEveryHours, !(keepEveryHours > 0) {
            throw .invalidArgument("One checkpoint of each so many hours is kept: expected more than 0 hours, found \(keepEveryHours)")
        }
        if let maxToKeep, maxToKeep < 1 { throw .invalidArgument("Checkpoints that are kept must be at least 1, or nil for all, found \(maxToKeep)") }
    }
}
