import Glibc
public import WeirTensor

/// Combines members by a logistic regression that was fitted to their predictions (stacked generalization; Wolpert, 1992).
///
/// Its features are the logarithms of the members' probabilities, so that a weight of 1 for one member gives that member's
/// probabilities. It must be fitted to predictions for rows that the members were not trained on, such as those of
/// `ClassProbabilities(folds:rowCount:)`; on other rows it would trust the members that overfit most.
public struct Stacking: Hashable, Sendable {
    /// The fitted regression. Its features are the first member's classes, then the second's, and so on.
    let regression: LogisticRegression
    private let memberCount: Int

    /// Fits the weights. The same input gives the same bits.
    /// - Parameters:
    ///   - members: each member's out-of-fold predictions.
    ///   - labels: the class of each row.
    ///   - regularization: the factor of the squared weights that are added to the rows' cross-entropies, halved; above 0.
    /// - Throws: `invalidArgument` when members have different rows or classes, or labels are not one for each row and classes that
    ///   there are; `failedPrecondition` when the solver does not converge.
    public init(_ members: [ClassProbabilities], labels: [Int], regularization: Double = 1) throws(Status) {
        let first = try EnsembleCombination.check(members)
        memberCount = members.count
        regression = try LogisticRegression(
            features: Stacking.features(members), labels: labels, classCount: first.classCount, regularization: regularization)
    }

    /// The combined probabilities of the members' predictions for other rows.
    /// - Throws: `invalidArgument` when there are other members or classes than the weights were fitted to.
    public func combined(_ members: [ClassProbabilities]) throws(Status) -> ClassProbabilities {
        let first = try EnsembleCombination.check(members)
        guard members.count == memberCount, first.classCount == regression.classCount else {
            throw .invalidArgument(
                "stacking: expected \(memberCount) members of \(regression.classCount) classes, found \(members.count) of \(first.classCount)")
        }
        let values = Stacking.features(members).flatMap { regression.probabilities($0) }
        return try ClassProbabilities(values, rowCount: first.rowCount, classCount: first.classCount)
    }

    /// The least probability whose logarithm is a feature: a member that gives 0 to a class does not decide alone.
    static let leastProbability = 1e-6

    private static func features(_ members: [ClassProbabilities]) -> [[Double]] {
        (0..<(members.first?.rowCount ?? 0)).map { row in members.flatMap { member in member[row].map { log(max($0, leastProbability)) } } }
    }
}
