public import WeirCluster
public import WeirGraph
import WeirOps
public import WeirTensor
import WeirWire

/// A trained model that can be served: a graph from inputs to predictions, signatures, and the values of the variables.
///
/// ```swift
/// let model = try ServableModel(network, values: report.parameters)
/// try model.write(to: "export/1")            // a SavedModel, which TensorFlow loads
/// try model.writeFrozen(to: "frozen.pb")     // one GraphDef, with constants in place of the variables
/// ```
/// `SavedModel` reads both files.
public struct ServableModel: Sendable {
    /// The signatures by name. The one that servers take by default is `serving_default`.
    public let signatures: [String: ModelSignature]
    /// The names of the columns of its input and of its classes; a SavedModel keeps them.
    public var columns: ModelColumns?
    /// The graph. Its variables begin with zeros; their values are in `values`.
    let graph: Graph
    /// The variables of the graph, under the names that they have in a checkpoint.
    let variables: [Variable]
    /// The values by the variables' names.
    let values: [String: Tensor]
    /// Restores the variables; nil if there are none.
    private let saver: Saver?
    private let trained: Set<String>

    /// - Parameters:
    ///   - builder: has the nodes of the model, and its variables.
    ///   - values: for each variable of the builder its value, by its name.
    ///   - trained: the names of the variables that were trained; nil means all.
    /// - Throws: `invalidArgument` without signatures, when a value is missing or does not fit its variable, or the graph has an error.
    init(_ builder: GraphBuilder, values: [String: Tensor], trained: Set<String>? = nil, signatures: [String: ServedOutputs]) throws(Status) {
        guard !signatures.isEmpty else { throw .invalidArgument("A model to serve needs at least one signature, found none") }
        for (name, signature) in signatures.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, name != MetaGraphDefinition.initializationSignature else {
                throw .invalidArgument("'\(name)' cannot be the name of a signature; expected a name such as '\(ModelSignature.defaultName)'")
            }
            guard !signature.outputs.isEmpty else { throw .invalidArgument("Signature '\(name)' needs at least one output, found none") }
        }
        let variables = builder.variables
        for variable in variables {
            guard let value = values[variable.name] else {
                let near = variable.name.nearest(among: values.keys)
                let hint = near.isEmpty ? "" : "; near names are \(near.joined(separator: ", "))"
                throw .invalidArgument("Variable '\(variable.name)' has no value among the \(values.count) that are given\(hint)")
            }
            guard value.dtype == variable.dtype, value.shape == variable.shape else {
                throw .invalidArgument(
                    "Variable '\(variable.name)' must have a value of \(variable.dtype) \(variable.shape), found \(value.dtype) \(value.shape)")
            }
        }
        saver = variables.isEmpty ? nil : Saver(builder, variables, maxToKeep: 1)
        graph = try builder.graph()
        self.variables = variables
        self.values = values
        self.trained = trained ?? Set(variables.map(\.name))
        self.signatures = signatures.mapValues(\.signature)
    }

    /// Takes a part of a session's graph, with the present values of its variables.
    ///
    /// ```swift
    /// let outputs = ServedOutputs(inputs: ["x": x], outputs: ["y": y])
    /// let model = try await ServableModel(session, builder, signatures: ["serving_default": outputs])
    /// ```
    /// - Parameters:
    ///   - session: has a graph that `builder` made, and the variables.
    ///   - builder: the builder of the graph. It is not changed.
    ///   - signatures: what the model is to compute, of outputs of the graph.
    /// - Throws: `failedPrecondition` when a variable is not initialized; `invalidArgument` when an output depends on a placeholder
    ///   that is no input of its signature.
    public init(_ session: Session, _ builder: GraphBuilder, signatures: [String: ServedOutputs]) async throws(Status) {
        let source = try builder.graph()
        let copy = try ServedCopy(source, builder.variables, signatures)
        let reply = try await session.run(fetches: copy.variables.map(\.value.name))
        let values = Dictionary(zip(copy.variables.map(\.name), reply.tensors.map(\.tensor)), uniquingKeysWith: { first, _ in first })
        try self.init(copy.builder, values: values, signatures: copy.signatures)
    }

    /// What a saved model's file has of this model.
    var metaGraph: MetaGraphDefinition {
        var file = MetaGraphDefinition(graph: graph.definition)
        file.tags = ["serve"]
        file.signatures = signatures.mapValues(\.entry)
        let entries = variables.map {
            MetaGraphDefinition.VariableEntry(name: $0.handle.name, initializer: $0.initializer.name, snapshot: $0.value.name)
        }
        file.variables = entries
        file.trainableVariables = zip(variables, entries).filter { trained.contains($0.0.name) }.map(\.1)
        file.saver = saver?.entry
        return file
    }

    /// Writes TensorFlow's SavedModel: a folder with `saved_model.pb` and the variables' values. TensorFlow loads it with
    /// `tf.saved_model.load` and `tf.compat.v1.saved_model.load`; its servers serve it.
    ///
    /// The folder appears with all its files, or not at all. It replaces a saved model of the same name.
    /// - Throws: `alreadyExists` when the path is something else than a saved model or an empty folder; the error of a file that
    ///   cannot be written.
    public func write(to directory: String) throws(Status) {
        let folder = try ServableModel.folder(directory)
        if !variables.isEmpty {
            var writer = try BundleWriter("\(folder.path)/variables/variables")
            for variable in variables.sorted(by: { $0.name < $1.name }) {
                guard let value = values[variable.name] else { throw .internalError("Variable '\(variable.name)' has no value") }
                if let slice = variable.slice {
                    let place = try ShapeAndSlice(parsing: slice.specification(of: variable.shape))
                    try writer.add(ByteString(slice.fullName), place, value)
                } else {
                    try writer.add(ByteString(variable.name), value)
                }
            }
            try writer.finish()
        }
        if let columns {
            let path = FileSystem.join(folder.path, ModelColumns.path)
            try FileSystem.createDirectory(FileSystem.directory(of: path))
            try AtomicFile.write(Array("\(columns.json)\n".utf8), to: path, durably: true)
        }
        try AtomicFile.write(try metaGraph.serializedSavedModel(), to: "\(folder.path)/saved_model.pb", durably: true)
        try folder.commit()
    }

    /// Checks that a model can be written to a folder.
    /// - Throws: as `write`.
    package static func check(destination directory: String) throws(Status) { _ = try folder(directory) }

    private static func folder(_ directory: String) throws(Status) -> AtomicFolder {
        try AtomicFolder(directory) { contents in contents.isEmpty || contents.contains { $0 == "saved_model.pb" } }
    }

    /// Opens a session in this process whose variables have the values.
    func session() async throws(Status) -> Session {
        let session = try await Session(graph, registry: .standard)
        if let saver {
            for variable in variables {
                guard let value = values[variable.name] else { throw .internalError("Variable '\(variable.name)' has no value") }
                try await saver.assign(value, to: variable, in: session)
            }
        }
        return session
    }
}
