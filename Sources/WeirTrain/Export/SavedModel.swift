public import WeirCluster
public import WeirGraph
import WeirOps
public import WeirRuntime
public import WeirTensor
import WeirWire

/// A model that was read from files: a SavedModel's folder, which Weir or TensorFlow wrote, or a frozen graph.
///
/// ```swift
/// let model = try SavedModel(contentsOf: "export/1")
/// let session = try await model.session()
/// let found = try await model.predict(["features": rows], in: session)
/// print(found["classes"]!)
/// ```
/// Of a folder that TensorFlow 2 wrote the signatures are read, which call functions; objects and their methods are not.
public struct SavedModel: Sendable {
    /// The path from which the model was read.
    public let path: String
    /// The graph: what the signatures need, and what restores the variables.
    public let graph: Graph
    /// The signatures by name.
    public let signatures: [String: ModelSignature]
    /// The names of the columns of its input and of its classes, if Weir wrote the model and its training knew them.
    public let columns: ModelColumns?
    /// Restores the variables; nil if there are none.
    private let saver: MetaGraphDefinition.SaverEntry?
    /// What is to be run after the variables are restored.
    private let initialization: (operation: String, assets: [MetaGraphDefinition.AssetEntry])?

    /// Reads a model.
    /// - Parameters:
    ///   - path: the folder of a SavedModel, or the file of a graph (`.pb`, `.pbtxt`) without variables. A graph has one signature,
    ///     `serving_default`: its inputs are the placeholders, its outputs those that no node uses, under the names of their nodes.
    ///   - tags: of a SavedModel with several graphs, the tags of the one to read; nil means `serve`, or the only one.
    /// - Throws: `notFound` when there is no such file, or no graph with the tags; `invalidArgument` when it is malformed, or has
    ///   variables that nothing restores; an error that names the op when the signatures need one that Weir does not have.
    public init(contentsOf path: String, tags: Set<String>? = nil) throws(Status) {
        let isFolder = FileSystem.isDirectory(path)
        let file: MetaGraphDefinition
        do {
            if isFolder {
                file = try MetaGraphDefinition(savedModel: path, tags: tags, variants: OpRegistry.standard.variants)
            } else {
                file = MetaGraphDefinition(graph: try GraphDefinition(contentsOf: path, variants: OpRegistry.standard.variants))
            }
            try self.init(file, path: path, isFrozen: !isFolder)
        } catch {
            throw error.message.hasPrefix(path) ? error : Status(error.code, "\(path): \(error.message)")
        }
    }

    private init(_ file: MetaGraphDefinition, path: String, isFrozen: Bool) throws(Status) {
        self.path = path
        columns = isFrozen ? nil : try ModelColumns.read(from: path)
        var signatures = file.signatures.filter { $0.key != MetaGraphDefinition.initializationSignature }.mapValues(ModelSignature.init)
        if isFrozen {
            let graph = try Graph(file.graph, registry: .standard)
            signatures = [ModelSignature.defaultName: try SavedModel.signature(of: graph)]
        }
        guard !signatures.isEmpty else { throw .invalidArgument("Expected a model with signatures, found none") }
        self.signatures = signatures
        let hasVariables = file.saver != nil && FileSystem.exists(BundleFiles.index("\(path)/variables/variables"))
        saver = hasVariables ? file.saver : nil
        initialization = file.initialization.map { (InputReference($0)?.node ?? $0, file.assets) }
        // A saver needs all variables, a signature some; what else the graph has may have ops that Weir does not.
        var roots = signatures.values.flatMap { $0.inputs.values.map(\.name) + $0.outputs.values.map(\.name) }
        if let saver { roots += [saver.fileName, saver.restore] }
        if let initialization { roots += [initialization.operation] + file.assets.map(\.tensor) }
        let known = Set(file.graph.nodes.map(\.name))
        let names = roots.compactMap { InputReference($0)?.node }
        if let missing = names.first(where: { !known.contains($0) }) { throw .invalidArgument("The graph has no node '\(missing)', which the model refers to") }
        let definition = file.graph.pruned(to: names, registry: .standard, keepsAssignments: false).withCalledFunctions()
        graph = try Graph(definition, registry: .standard)
        if saver == nil, let variable = graph.nodes.first(where: { $0.op.variableUse == .handle || $0.op.variableUse == .reference }) {
            throw .invalidArgument(
                isFrozen
                    ? "Expected a graph with constants in place of variables, found variable '\(variable.name)'"
                    : "Variable '\(variable.name)' has no value: the model has no saver, or no files variables/variables.index and .data")
        }
    }

    /// The signature of a graph of which nothing is known.
    private static func signature(of graph: Graph) throws(Status) -> ModelSignature {
        let builder = GraphBuilder(extending: graph, registry: .standard)
        if let failure = builder.failure { throw failure }
        var isUsed = Set<Endpoint>()
        for node in graph.nodes { isUsed.formUnion(node.inputs) }
        var signature = ModelSignature(inputs: [:], outputs: [:])
        for (id, node) in graph.nodes.enumerated() {
            let isInput = node.role == .placeholder && node.inputs.isEmpty
            for index in node.outputTypes.indices where isInput || !isUsed.contains(Endpoint(id, index)) {
                guard let output = builder.output(at: Endpoint(id, index)), output.dtype != .resource, output.dtype != .variant else { continue }
                let name = index == 0 ? node.name : "\(node.name):\(index)"
                let info = ModelSignature.TensorInfo(name: output.name, dtype: output.dtype, shape: output.shape)
                if isInput { signature.inputs[name] = info } else { signature.outputs[name] = info }
            }
        }
        guard !signature.outputs.isEmpty else { throw .invalidArgument("Expected a graph that computes something, found no outputs") }
        return signature
    }

    /// A signature.
    /// - Throws: `notFound` with the names of all when there is none of this name.
    public func signature(_ name: String = ModelSignature.defaultName) throws(Status) -> ModelSignature {
        if let found = signatures[name] { return found }
        throw .notFound("\(path): expected one of the signatures \(signatures.keys.sorted().joined(separator: ", ")), found '\(name)'")
    }

    /// Opens a session with the graph, and restores the variables.
    /// - Parameters:
    ///   - target: where steps run. A server reads the model's files itself.
    ///   - devices: the devices of a session in this process; nil makes new ones.
    /// - Throws: as `Session.init` and `restore`.
    public func session(
        target: Session.Target = .inProcess, configuration: SessionConfiguration = SessionConfiguration(), devices: LocalDevices? = nil
    ) async throws(Status) -> Session {
        let session = try await Session(graph, target: target, configuration: configuration, registry: .standard, devices: devices)
        do { try await restore(session) } catch {
            // The error of closing is of no interest after the other.
            try? await session.close()
            throw error
        }
        return session
    }

    /// Restores the variables of a session that has the model's graph, and initializes its tables.
    /// - Throws: `dataLoss` when the files are damaged; the error of a node that fails.
    public func restore(_ session: Session) async throws(Status) {
        if let saver {
            _ = try await session.run(
                feeds: [NamedTensor(tensorName(saver.fileName), Tensor("\(path)/variables/variables"))], targets: [nodeName(saver.restore)])
        }
        if let initialization {
            let feeds = initialization.assets.map { NamedTensor(tensorName($0.tensor), Tensor("\(path)/assets/\($0.fileName)")) }
            _ = try await session.run(feeds: feeds, targets: [initialization.operation])
        }
    }

    /// Computes the outputs of a signature.
    /// - Parameters:
    ///   - inputs: a tensor for each input of the signature.
    ///   - session: a session of `session()`.
    /// - Returns: the outputs by their names in the signature.
    /// - Throws: `notFound` when there is no such signature; `invalidArgument` when an input is missing or unknown, or has another type
    ///   or shape.
    public func predict(
        _ inputs: [String: Tensor], signature name: String = ModelSignature.defaultName, in session: Session
    ) async throws(Status) -> [String: Tensor] {
        let signature = try self.signature(name)
        var feeds: [NamedTensor] = []
        for (input, info) in signature.inputs.sorted(by: { $0.key < $1.key }) {
            guard let value = inputs[input] else {
                throw .invalidArgument("Signature '\(name)' needs the input '\(input)', \(info); found \(SavedModel.list(inputs.keys))")
            }
            guard info.dtype == nil || info.dtype == value.dtype, info.shape.isCompatible(with: value.shape) else {
                throw .invalidArgument("Input '\(input)' of signature '\(name)' is \(info), found a tensor of \(value.dtype) \(value.shape)")
            }
            guard !info.name.isEmpty else { throw .unimplemented("Input '\(input)' of signature '\(name)' is no dense tensor, so it cannot be fed") }
            feeds.append(NamedTensor(tensorName(info.name), value))
        }
        if let unknown = inputs.keys.sorted().first(where: { signature.inputs[$0] == nil }) {
            throw .invalidArgument("Signature '\(name)' has the inputs \(SavedModel.list(signature.inputs.keys)), not '\(unknown)'")
        }
        let names = signature.outputs.keys.sorted()
        let fetches = names.compactMap { signature.outputs[$0]?.name }
        guard fetches.allSatisfy({ !$0.isEmpty }) else { throw .unimplemented("An output of signature '\(name)' is no dense tensor, so it cannot be fetched") }
        let reply = try await session.run(fetches: fetches.map(tensorName), feeds: feeds)
        return Dictionary(zip(names, reply.tensors.map(\.tensor)), uniquingKeysWith: { first, _ in first })
    }

    private static func list(_ names: some Sequence<String>) -> String {
        let sorted = names.sorted()
        return sorted.isEmpty ? "none" : sorted.joined(separator: ", ")
    }

    /// `node:output` of a name that may be of the first output without a number.
    private func tensorName(_ name: String) -> String { InputReference(name).map { "\($0.node):\(max(0, $0.index))" } ?? name }
    private func nodeName(_ name: String) -> String { InputReference(name)?.node ?? name }
}

extension SavedModel: CustomStringConvertible {
    /// The path and the signatures: `<SavedModel export/1 serving_default(features: float [?,4]) -> (classes: int32 [?])>`.
    public var description: String {
        "<SavedModel \(path)" + signatures.sorted { $0.key < $1.key }.map { " \($0.key)\($0.value)" }.joined() + ">"
    }
}
