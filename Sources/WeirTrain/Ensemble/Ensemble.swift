import WeirCluster
import WeirGraph
import WeirOps
public import WeirTensor
import WeirWire

/// Trained networks that predict together. `EnsembleTrainer` makes one.
///
/// `write` makes one model of it: a graph with the variables of all members, which computes from the features of rows, as they are in
/// the table, the probabilities of the classes.
public struct Ensemble: Sendable {
    /// One member: its network, and the values of its variables by their names in the network.
    struct Member: Sendable {
        let name: String
        let model: ModelGraph
        let values: [String: Tensor]
    }

    /// The names of the classes.
    public let classes: [String]
    /// The names of the members.
    public var memberNames: [String] { members.map(\.name) }
    let members: [Member]
    /// The means of the features, and their scale, with which the members were trained.
    let moments: (means: [Float], scale: Float)
    /// The fitted combination; nil if none was fitted.
    public internal(set) var stacking: Stacking?

    /// The probabilities that each member gives to the classes of rows.
    /// - Parameter table: rows as the ensemble's table has them, not standardized.
    /// - Throws: `invalidArgument` when the table has other features, or a member's predictions are no logits of the classes.
    public func memberProbabilities(of table: Table) async throws(Status) -> [ClassProbabilities] {
        let graph = try EnsembleGraph(self, serving: .average, holdsValues: true)
        let session = try await graph.session()
        let found = try await session.run(graph.members, feeding: [graph.features: try features(of: table)])
        try await session.close()
        var members: [ClassProbabilities] = []
        for tensor in found { members.append(try ClassProbabilities(tensor)) }
        return members
    }

    /// The combined probabilities of the classes of rows.
    /// - Parameters:
    ///   - members: the probabilities that `memberProbabilities` gives.
    /// - Throws: `invalidArgument` for a vote, which gives classes only; `failedPrecondition` for stacking if none was fitted.
    public func probabilities(_ members: [ClassProbabilities], by method: EnsembleMethod) throws(Status) -> ClassProbabilities {
        switch method {
        case .average: return try EnsembleCombination.average(members)
        case .vote: throw .invalidArgument("A vote gives classes, not probabilities; expected average or stacking")
        case .stacking:
            guard let stacking else { throw Ensemble.notFitted }
            return try stacking.combined(members)
        }
    }

    /// The combined classes of rows, by number.
    /// - Throws: `failedPrecondition` for stacking if none was fitted.
    public func classes(_ members: [ClassProbabilities], by method: EnsembleMethod) throws(Status) -> [Int] {
        method == .vote ? try EnsembleCombination.majorityVote(members) : try probabilities(members, by: method).classes
    }

    static let notFitted = Status.failedPrecondition("The ensemble has no fitted stacking; expected one that was trained with it")

    func features(of table: Table) throws(Status) -> Tensor {
        guard table.featureCount == moments.means.count else {
            throw .invalidArgument("The ensemble takes rows of \(moments.means.count) features, found \(table.featureCount)")
        }
        return table.featureTensor
    }

    /// Writes the ensemble as one model: the graph `ensemble.pb`, a `GraphDef`, and the checkpoint `ensemble`.
    ///
    /// `features:0` takes rows of features. `probabilities:0` has the combined probabilities of the classes, `classes:0` the most
    /// probable class of each row, `member1/probabilities:0` and so on those of the members. The operation `save/restore_all` restores
    /// the variables from the checkpoint whose path is fed to `save/Const:0`.
    /// - Parameters:
    ///   - directory: the folder, which is created if needed.
    ///   - method: what `probabilities:0` is: the average or stacking.
    /// - Throws: as `probabilities`; the error of a file that cannot be written.
    public func write(to directory: String, serving method: EnsembleMethod = .average) async throws(Status) -> EnsembleFiles {
        let files = EnsembleFiles(directory: directory)
        let trained = try EnsembleGraph(self, serving: method, holdsValues: true)
        let session = try await trained.session()
        try await trained.saver.save(session, to: files.checkpoint)
        try await session.close()
        let served = try EnsembleGraph(self, serving: method, holdsValues: false)
        try AtomicFile.write(try served.graph.definition.serialized(), to: files.graph)
        return files
    }
}

/// The files of an ensemble as one model.
public struct EnsembleFiles: Hashable, Sendable {
    /// The path of the graph.
    public let graph: String
    /// The path of the checkpoint.
    public let checkpoint: String

    /// The files that `Ensemble.write` makes in a folder.
    public init(directory: String) {
        graph = FileSystem.join(directory, "ensemble.pb")
        checkpoint = FileSystem.join(directory, "ensemble")
    }

    /// The combined probabilities that the saved model gives to rows. Only the files are used.
    /// - Throws: the error of a file that cannot be read; `invalidArgument` when the table has other features.
    public func probabilities(of table: Table) async throws(Status) -> ClassProbabilities {
        let graph = try Graph(GraphDefinition(contentsOf: graph, variants: OpRegistry.standard.variants), registry: .standard)
        let session = try await Session(graph, registry: .standard)
        _ = try await session.run(feeds: [NamedTensor("save/Const:0", Tensor(checkpoint))], targets: ["save/restore_all"])
        let reply = try await session.run(fetches: ["probabilities:0"], feeds: [NamedTensor("features:0", table.featureTensor)])
        try await session.close()
        guard let found = reply.tensors.first?.tensor else { throw .internalError("a step returned no tensor") }
        return try ClassProbabilities(found)
    }
}
