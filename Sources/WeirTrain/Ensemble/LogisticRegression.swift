import Glibc
import WeirTensor

/// Multinomial logistic regression: the probabilities of classes are the softmax of linear functions of the features.
///
/// The fit minimizes the sum of the rows' cross-entropies and of the squared weights times regularization / 2; intercepts are not
/// regularized. The objective is convex, so that there is one minimum.
struct LogisticRegression: Hashable, Sendable {
    let classCount: Int
    let featureCount: Int
    /// For each class, the weights of the features and then the intercept.
    let parameters: [Double]

    /// - Throws: `invalidArgument` for input of wrong sizes or values; `failedPrecondition` when the solver does not converge.
    init(
        features: [[Double]], labels: [Int], classCount: Int, regularization: Double, solver: LimitedMemoryBFGS = LimitedMemoryBFGS()
    ) throws(Status) {
        guard let first = features.first else { throw .invalidArgument("logistic regression: expected at least one row, found none") }
        guard labels.count == features.count else { throw .invalidArgument("labels: expected \(features.count), one for each row, found \(labels.count)") }
        if let wrong = labels.first(where: { !(0..<classCount).contains($0) }) {
            throw .invalidArgument("labels: expected classes between 0 and \(classCount - 1), found \(wrong)")
        }
        guard regularization > 0, regularization.isFinite else {
            throw .invalidArgument("regularization: expected a finite number above 0, found \(regularization)")
        }
        for (row, values) in features.enumerated() where values.count != first.count || !values.allSatisfy(\.isFinite) {
            throw .invalidArgument("logistic regression, row \(row): expected \(first.count) finite features, found \(values)")
        }
        self.classCount = classCount
        featureCount = first.count
        let width = first.count + 1
        let share = 1 / Double(features.count)
        // The mean over rows, so that the solver's tolerance does not depend on their number.
        let solution = solver.minimize(from: [Double](repeating: 0, count: classCount * width)) { parameters, gradient in
            var loss = 0.0
            for index in gradient.indices { gradient[index] = 0 }
            for (row, label) in zip(features, labels) {
                let (probabilities, logSum, scores) = LogisticRegression.softmax(row, parameters, classCount)
                loss += (logSum - scores[label]) * share
                for other in 0..<classCount {
                    let error = (probabilities[other] - (other == label ? 1 : 0)) * share
                    for feature in row.indices { gradient[other * width + feature] += error * row[feature] }
                    gradient[other * width + width - 1] += error
                }
            }
            for index in gradient.indices where index % width != width - 1 {
                loss += parameters[index] * parameters[index] * regularization * share / 2
                gradient[index] += parameters[index] * regularization * share
            }
            return loss
        }
        guard solution.gradientNorm <= LogisticRegression.greatestGradient else {
            throw .failedPrecondition(
                "logistic regression: expected a gradient of at most \(LogisticRegression.greatestGradient) after \(solution.iterationCount) iterations, found \(solution.gradientNorm)"
            )
        }
        parameters = solution.point
    }

    /// The gradient with which a solution is taken. Where classes are told apart almost without doubt, the loss is too flat for the solver's
    /// tolerance. scikit-learn stops there, too.
    private static let greatestGradient = 1e-4

    /// The probabilities of the classes for a row of `featureCount` features.
    func probabilities(_ row: [Double]) -> [Double] { LogisticRegression.softmax(row, parameters, classCount).probabilities }

    private static func softmax(
        _ row: [Double], _ parameters: [Double], _ classCount: Int
    ) -> (probabilities: [Double], logSum: Double, scores: [Double]) {
        let width = row.count + 1
        let scores = (0..<classCount).map { label in
            var score = parameters[label * width + width - 1]
            for feature in row.indices { score += parameters[label * width + feature] * row[feature] }
            return score
        }
        let greatest = scores.max() ?? 0
        let powers = scores.map { exp($0 - greatest) }
        let sum = powers.reduce(0, +)
        return (powers.map { $0 / sum }, greatest + log(sum), scores)
    }
}
