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

    /// The names of the columns and of the classes.
    let columns: ModelColumns
    /// The names of the classes.
    public var classes: [String] { columns.classes }
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
        let graph = try EnsembleGraph(self, serving: .average)
        let session = try await graph.model.session()
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

    /// The ensemble as one model. Its signature `serving_default` takes `features`, rows as they are in the table, and has the outputs
    /// `probabilities`, the combined ones, and `classes`, the most probable class of each row. The signature `members` has the
    /// probabilities of the members, `member1` and so on.
    /// - Parameter method: what `probabilities` is: the average or stacking.
    /// - Throws: as `probabilities`.
    public func servable(_ method: EnsembleMethod = .average) throws(Status) -> ServableModel {
        var model = try EnsembleGraph(self, serving: method).model
        model.columns = columns
        return model
    }
}
