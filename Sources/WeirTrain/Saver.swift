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
/// The nodes are under `save/`, with TensorFlow's names. The task that runs them reads and writes the checkpoint's files. This
/// process writes the directory's `checkpoint` file and removes old checkpoints. On a cluster both need the same file system.
public final class Saver: Sendable {
    /// The variables that are saved, under their names.
    public let variables: [Variable]
    /// The number of checkpoints that `save` keeps; nil keeps all.
    public let maxToKeep: Int?
    private let prefix: Output
    private let written: Output
    private let restored: Operation
    /// The checkpoints that this saver wrote and has not removed, oldest first.
    private let kept = Mutex<[String]>([])

    /// Adds the nodes. Records an error if there are no variables, or `maxToKeep` is less than 1.
    /// - Parameters:
    ///   - variables: the variables to save; nil means all that are declared with the builder so far.
    ///   - maxToKeep: when there are more checkpoints, `save` removes the oldest that this saver wrote.
    public init(_ builder: GraphBuilder, _ variables: [Variable]? = nil, maxToKeep: Int? = 5) {
        let variables = variables ?? builder.variables
        self.variables = variables
        self.maxToKeep = maxToKeep
        if variables.isEmpty { builder.record(.invalidArgument("Saver: expected at least one variable, found none")) }
        if let maxToKeep, maxToKeep < 1 {
            builder.record(.invalidArgument("Saver: expected maxToKeep of at least 1, or nil for all, found \(maxToKeep)"))
        }
        (prefix, written, restored) = builder.nameScope("save") {
            builder.device("/cpu:0") {
                let prefix = builder.placeholder(default: builder.constant("model", name: "filename"), shape: .scalar, name: "Const")
                // A part of a larger variable is a slice of the tensor that has the larger variable's name.
                let names = builder.constant(variables.map { $0.slice?.fullName ?? $0.name }, .string, name: "tensor_names")
                // An empty text means the whole tensor, not a slice of it.
                let specifications = variables.map { variable in variable.slice?.specification(of: variable.shape) ?? "" }
                let slices = builder.constant(specifications, .string, name: "shape_and_slices")
                let save = builder.add("SaveV2", [prefix, names, slices] + variables.map(\.value), name: "SaveV2")
                let written = builder.add("Identity", [prefix], name: "control_dependency", controls: [save])[0]
                let values = builder.add(
                    "RestoreV2", [prefix, names, slices], name: "RestoreV2", attributes: ["dtypes": .types(variables.map(\.dtype))])
                let assignments = variables.enumerated().map { index, variable in
                    // Without the check, a checkpoint of another network would change the variable's shape.
                    let value = builder.add(
                        "EnsureShape", [values[index]], name: variable.name, attributes: ["shape": .shape(PartialShape(variable.shape))])[0]
                    return builder.colocate(with: variable.handle.operation) { variable.assign(value) }
                }
                return (prefix, written, builder.group(assignments, name: "restore_all"))
            }
        }
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
        _ = try await session.run(written, feeding: [self.prefix: path])
        for old in try record(path) { try BundleFiles.remove(old) }
        return path
    }

    /// Saves the variables under the number in `globalStep`, as `save` with a number does.
    @discardableResult
    public func save(_ session: Session, to prefix: String, globalStep: Variable) async throws(Status) -> String {
        try await save(session, to: prefix, globalStep: session.run(globalStep.value).integer(globalStep.name))
    }

    /// Restores the variables, which need not be initialized.
    /// - Throws: `notFound` when there is no such checkpoint, or it lacks a variable; `invalidArgument` when a tensor in it has
    ///   another type or shape than its variable.
    public func restore(_ session: Session, from path: String) async throws(Status) {
        try await session.run(restored, feeding: [prefix: path])
    }

    /// Returns the path of the latest checkpoint that the `checkpoint` file of a directory names; nil if there is none, or its
    /// files do not exist.
    /// - Throws: `dataLoss` when the file is malformed.
    public static func latestCheckpoint(in directory: String) throws(Status) -> String? {
        try CheckpointState.latestCheckpoint(in: directory)
    }

    /// Writes the directory's `checkpoint` file, in TensorFlow's form.
    /// - Returns: the checkpoints that are no longer kept.
    private func record(_ path: String) throws(Status) -> [String] {
        let directory = FileSystem.directory(of: path)
        // Under the lock, so that of two concurrent calls the later one writes the later file.
        return try kept.withLock { kept throws(Status) in
            var paths = kept.filter { $0 != path } + [path]
            // The graph of a saver with a limit below 1 has an error, but another session may have nodes of the same names.
            let excess = maxToKeep.map { max(0, paths.count - max(1, $0)) } ?? 0
            let old = [String](paths.prefix(excess))
            paths.removeFirst(excess)
            // Paths in the file are absolute, or relative to the directory.
            let listed = paths.filter { FileSystem.directory(of: $0) == directory }.map { path in
                path.hasPrefix("/") || directory.isEmpty ? path : String(path.dropFirst(directory.count + 1))
            }
            try FileSystem.createDirectory(directory)
            try CheckpointState(latest: listed[listed.count - 1], all: listed).write(in: directory)
            kept = paths
            return old
        }
    }
}
