public import WeirTensor

/// Combines the predictions of several classifiers, the members of an ensemble, for the same rows. `Stacking` is a third way.
public enum EnsembleCombination {
    /// The mean of the members' probabilities.
    /// - Parameter weights: the weight of each member, at least 0; nil for equal weights.
    /// - Throws: `invalidArgument` when there are no members, they have different rows or classes, or the weights are not one for each
    ///   member, finite, at least 0 and not all 0.
    public static func average(_ members: [ClassProbabilities], weights: [Double]? = nil) throws(Status) -> ClassProbabilities {
        let first = try check(members)
        let weights = weights ?? [Double](repeating: 1, count: members.count)
        guard weights.count == members.count else { throw .invalidArgument("weights: expected \(members.count), one for each member, found \(weights.count)") }
        let sum = weights.reduce(0, +)
        guard weights.allSatisfy({ $0 >= 0 }), sum > 0, sum.isFinite else {
            throw .invalidArgument("weights: expected finite numbers of at least 0, not all 0, found \(weights)")
        }
        var values = [Double](repeating: 0, count: first.values.count)
        for (member, weight) in zip(members, weights) {
            for (index, value) in member.values.enumerated() { values[index] += value * (weight / sum) }
        }
        return try ClassProbabilities(values, rowCount: first.rowCount, classCount: first.classCount)
    }

    /// The class that most members give to each row. Of classes with equal numbers of votes, the one with the highest mean probability
    /// wins; of those with equal probabilities the first.
    /// - Throws: `invalidArgument` when there are no members, or they have different rows or classes.
    public static func majorityVote(_ members: [ClassProbabilities]) throws(Status) -> [Int] {
        let mean = try average(members)
        let ballots = members.map(\.classes)
        return (0..<mean.rowCount).map { row in
            var votes = [Int](repeating: 0, count: mean.classCount)
            for ballot in ballots { votes[ballot[row]] += 1 }
            let probabilities = mean[row]
            let start = probabilities.startIndex
            var best = 0
            for label in votes.indices where (votes[label], probabilities[start + label]) > (votes[best], probabilities[start + best]) { best = label }
            return best
        }
    }

    /// Checks that all members have the same rows and classes.
    /// - Returns: the first member.
    static func check(_ members: [ClassProbabilities]) throws(Status) -> ClassProbabilities {
        guard let first = members.first else { throw .invalidArgument("members: expected at least one, found none") }
        for (number, member) in members.enumerated() where member.rowCount != first.rowCount || member.classCount != first.classCount {
            throw .invalidArgument(
                "member \(number): expected \(first.rowCount) rows of \(first.classCount) classes as in member 0, found \(member.rowCount) of \(member.classCount)"
            )
        }
        return first
    }
}
