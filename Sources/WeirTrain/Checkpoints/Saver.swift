import Synchronization
public import WeirCluster
public import WeirGraph
import WeirOps
public import WeirTensor
import WeirWire

/// Saves variables to checkpoints and restores them. TensorFlow's `tf.train.Saver`, with its V2 checkpoints.
///
/// ```swift
/// let saver = Saver(builder)
/// let session = try await Session(builder.graph())
/// try await saver.save(session, to: "run/model", globalStep: 1000)   // writes run/model-1000
/// ```
/// The nodes are under `save/`, with TensorFlow's names. `Layout` says which tasks read and write the checkpoint's files. This process
/// writes the directory's `checkpoint` file and removes old checkpoints, so it needs the file system that they are in.
///
/// A crash at any moment leaves the checkpoints that were complete before it: files are written under other names, brought to the disk
/// and renamed, the index of a checkpoint last; then the `checkpoint` file names it; then old ones are removed.
public final class Saver: Sendable {
    /// Which tasks of a cluster read and write the files of a checkpoint.
    public enum Layout: String, Sendable, CaseIterable {
        /// One task gathers all variables and writes them. It and this process need the same file system.
        case gathered
        /// Each task writes the variables that it has, all at the same time; then one task merges the files' indexes. All these tasks
        /// and this process need the same file system. TensorFlow's `sharded=True`.
        case sharded
        /// This process fetches the variables, a few at a time, and writes them. No file system is shared. So it is with restoring.
        case client
    }

    /// The variables that are saved, under their names.
    public let variables: [Variable]
    /// The number of checkpoints that `save` keeps; nil keeps all.
    public let maxToKeep: Int?
    /// Which tasks read and write the files.
    public let layout: Layout
    /// What is saved beside the variables, by name, and not restored.
    private let facts: [(name: String, value: Tensor)]
    private let nodes: SaverNodes
    /// The checkpoints that this saver wrote and has not removed.
    private let retention: Mutex<CheckpointRetention>
    private let now: @Sendable () -> Double

    /// Adds the nodes. Records an error if there are no variables, `maxToKeep` is less than 1, or `keepEveryHours` is not positive.
    /// - Parameters:
    ///   - variables: the variables to save; nil means all that are declared with the builder so far.
    ///   - maxToKeep: when there are more checkpoints, `save` removes the oldest that this saver wrote.
    ///   - keepEveryHours: one checkpoint of each so many hours is not removed; nil removes all but the newest.
    ///   - layout: which tasks read and write the files.
    public convenience init(
        _ builder: GraphBuilder, _ variables: [Variable]? = nil, maxToKeep: Int? = 5, keepEveryHours: Double? = nil, layout: Layout = .gathered
    ) {
        self.init(builder, variables, maxToKeep: maxToKeep, keepEveryHours: keepEveryHours, layout: layout, now: { Event.now })
    }

    /// - Parameters:
    ///   - facts: tensors that are saved beside the variables, by name, and not restored.
    ///   - now: the time in seconds since 1970.
    init(
        _ builder: GraphBuilder, _ variables: [Variable]? = nil, facts: [(name: String, value: Tensor)] = [], maxToKeep: Int? = 5,
        keepEveryHours: Double? = nil, layout: Layout = .gathered, now: @escaping @Sendable () -> Double
    ) {
        let variables = variables ?? builder.variables
        self.facts = facts
        self.variables = variables
        self.maxToKeep = maxToKeep
        self.layout = layout
        self.now = now
        if variables.isEmpty { builder.record(.invalidArgument("Saver: expected at least one variable, found none")) }
        if let maxToKeep, maxToKeep < 1 {
            builder.record(.invalidArgument("Saver: expected maxToKeep of at least 1, or nil for all, found \(maxToKeep)"))
        }
        if let keepEveryHours, !(keepEveryHours > 0) {
            builder.record(.invalidArgument("Saver: expected keepEveryHours greater than 0, or nil, found \(keepEveryHours)"))
        }
        retention = Mutex(CheckpointRetention(maxToKeep: maxToKeep, preservedInterval: keepEveryHours.map { $0 * 3600 }))
        nodes = SaverNodes(builder, variables, facts: facts, isSharded: layout == .sharded)
    }

    /// The names of the nodes, for files of graphs.
    var entry: MetaGraphDefinition.SaverEntry {
        MetaGraphDefinition.SaverEntry(fileName: nodes.prefix.name, save: nodes.written.name, restore: nodes.restored.name)
    }

    /// Saves the variables, and makes the checkpoint the latest of its directory.
    ///
    /// - Parameters:
    ///   - prefix: the path of the checkpoint without suffixes; missing directories are created.
    ///   - globalStep: when given, `-` and this number follow the prefix.
    /// - Returns: the path of the checkpoint, which `restore` takes.
    /// - Throws: `failedPrecondition` when a variable is not initialized; the error of a file that cannot be written or removed.
    @discardableResult
    public func save(_ session: Session, to prefix: String, globalStep: Int? = nil) async throws(Status) -> String {
        let path = globalStep.map { "\(prefix)-\($0)" } ?? prefix
        switch layout {
        case .gathered, .sharded: _ = try await session.run(nodes.written, feeding: [nodes.prefix: path])
        case .client: try await write(session, to: path)
        }
        // Under the lock, so that of two concurrent calls the later one writes the later file.
        try retention.withLock { retention throws(Status) in
            var changed = retention
            let removed = changed.add(path, at: now())
            try CheckpointFolder.record(changed, removing: removed)
            retention = changed
        }
        return path
    }

    /// Saves the variables under the number in `globalStep`, as `save` with a number does.
    @discardableResult
    public func save(_ session: Session, to prefix: String, globalStep: Variable) async throws(Status) -> String {
        try await save(session, to: prefix, globalStep: session.run(globalStep.value).integer(globalStep.name))
    }

    /// Restores the variables, which need not be initialized.
    ///
    /// The variables may be in other parts and on other tasks than when they were saved.
    /// - Throws: `notFound` when there is no such checkpoint, or it lacks variables; `invalidArgument` when tensors in it have
    ///   other types or shapes than their variables. The message lists them, if this process can read the files.
    public func restore(_ session: Session, from path: String) async throws(Status) {
        guard layout != .client else { return try await read(session, from: path) }
        do {
            try await session.run(nodes.restored, feeding: [nodes.prefix: path])
        } catch {
            // Whatever op met it first: what does not fit is the cause.
            if let reader = try? BundleReader(path), let problem = try CheckpointMismatch(reader, variables) { throw problem.status }
            throw error
        }
    }

    /// Takes over the checkpoints of the prefix that are listed in its folder, as if this saver had written them: `save` removes them
    /// when there are too many. TensorFlow's `recover_last_checkpoints`.
    /// - Throws: `dataLoss` when the folder's `checkpoint` file is malformed.
    public func recoverCheckpoints(_ prefix: String) throws(Status) {
        let found = try CheckpointFolder.entries(prefix)
        retention.withLock { $0.recover(found.entries, lastPreserved: found.lastPreserved) }
    }

    /// Returns the path of the latest checkpoint that the `checkpoint` file of a directory names; nil if there is none, or its
    /// files do not exist.
    /// - Throws: `dataLoss` when the file is malformed.
    public static func latestCheckpoint(in directory: String) throws(Status) -> String? {
        try CheckpointState.latestCheckpoint(in: directory)
    }

    // MARK: Through this process

    /// The bytes of variables that are moved in one step. A variable with more is moved alone.
    private static let chunkByteCount = 64 << 20

    /// The positions of variables to move in one step each.
    private var chunks: [[Int]] {
        var chunks: [[Int]] = []
        var byteCount = 0
        for (index, variable) in variables.enumerated() {
            let (bytes, overflow) = variable.shape.elementCount.multipliedReportingOverflow(by: variable.dtype.byteCount)
            let size = overflow ? Saver.chunkByteCount : min(bytes, Saver.chunkByteCount)
            if chunks.isEmpty || byteCount + size > Saver.chunkByteCount {
                chunks.append([])
                byteCount = 0
            }
            chunks[chunks.count - 1].append(index)
            byteCount += size
        }
        return chunks
    }

    private func write(_ session: Session, to path: String) async throws(Status) {
        var writer = try BundleWriter(path)
        for chunk in chunks {
            let reply = try await session.run(fetches: chunk.map { variables[$0].value.name })
            for (index, found) in zip(chunk, reply.tensors) {
                let variable = variables[index]
                if let slice = variable.slice {
                    let place = try ShapeAndSlice(parsing: slice.specification(of: variable.shape))
                    try writer.add(ByteString(slice.fullName), place, found.tensor)
                } else {
                    try writer.add(ByteString(variable.name), found.tensor)
                }
            }
        }
        for fact in facts { try writer.add(ByteString(fact.name), fact.value) }
        try writer.finish()
    }

    private func read(_ session: Session, from path: String) async throws(Status) {
        let reader = try BundleReader(path)
        if let problem = try CheckpointMismatch(reader, variables) { throw problem.status }
        for chunk in chunks {
            var feeds: [NamedTensor] = []
            for index in chunk {
                let variable = variables[index]
                let value: Tensor
                if let slice = variable.slice {
                    value = try reader.tensor(ByteString(slice.fullName), try ShapeAndSlice(parsing: slice.specification(of: variable.shape)))
                } else {
                    value = try reader.tensor(ByteString(variable.name))
                }
                feeds.append(NamedTensor(nodes.values[index].name, value))
            }
            _ = try await session.run(feeds: feeds, targets: chunk.map { nodes.assignments[$0].name })
        }
    }

    /// Sets one of the variables.
    func assign(_ value: Tensor, to variable: Variable, in session: Session) async throws(Status) {
        guard let index = variables.firstIndex(where: { $0.handle == variable.handle }) else {
            throw .invalidArgument("The saver does not have variable '\(variable.name)'")
        }
        _ = try await session.run(feeds: [NamedTensor(nodes.values[index].name, value)], targets: [nodes.assignments[index].name])
    }
}
