import Testing
import Weir

@testable import WeirTrain

@Suite("Combinations of ensembles")
struct EnsembleCombinationTests {
    private func isClose(_ one: [Double], _ other: [Double], _ tolerance: Double = 1e-12) -> Bool {
        one.count == other.count && zip(one, other).allSatisfy { abs($0 - $1) <= tolerance * max(abs($1), 1e-3) }
    }

    @Test("probabilities are averaged, with weights if given")
    func average() throws {
        let members = try [ClassProbabilities([[1, 0], [0.25, 0.75]]), ClassProbabilities([[0.5, 0.5], [0.75, 0.25]])]
        #expect(try isClose(EnsembleCombination.average(members).values, [0.75, 0.25, 0.5, 0.5]))
        #expect(try isClose(EnsembleCombination.average(members, weights: [3, 1]).values, [0.875, 0.125, 0.375, 0.625]))
        #expect(try EnsembleCombination.average([members[0]]) == members[0])
    }

    @Test("the majority wins; of equal votes the higher mean probability; of equal means the first class")
    func votes() throws {
        let members = try [
            ClassProbabilities([[0.4, 0.3, 0.3], [0.5, 0.3, 0.2], [0.6, 0.4, 0.0]]),
            ClassProbabilities([[0.4, 0.3, 0.3], [0.1, 0.8, 0.1], [0.4, 0.6, 0.0]]),
            ClassProbabilities([[0.0, 1.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]]),
        ]
        // Row 0: two votes against a higher mean. Row 1: one vote each, means 0.27, 0.47, 0.27. Row 2: one vote each, equal means.
        #expect(try EnsembleCombination.majorityVote(members) == [0, 1, 0])
    }

    @Test("stacking gives the numbers of another solver of the same regression")
    func stacking() throws {
        let members = try [
            ClassProbabilities([[0.7, 0.2, 0.1], [0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], [0.3, 0.3, 0.4], [0.1, 0.2, 0.7]]),
            ClassProbabilities([[0.5, 0.25, 0.25], [0.2, 0.5, 0.3], [0.25, 0.5, 0.25], [0.3, 0.4, 0.3], [0.2, 0.2, 0.6], [0.4, 0.3, 0.3]]),
        ]
        let labels = [0, 0, 1, 1, 2, 2]
        let stacking = try Stacking(members, labels: labels)
        // Computed with SciPy's BFGS.
        let expected = [
            0.77003055, 0.11013657, 0.11983287, 0.67680477, 0.2159096, 0.10728563, 0.18223093, 0.52771828, 0.29005079, 0.13111832, 0.75525676, 0.11362492,
            0.17837629, 0.18056383, 0.64105988, 0.06143913, 0.21041496, 0.72814592,
        ]
        let combined = try stacking.combined(members)
        #expect(isClose(combined.values, expected, 1e-6))
        #expect(combined.classes == labels)
        #expect(try Stacking(members, labels: labels) == stacking)
    }

    @Test("a regression on features that tell nothing gives the classes' shares")
    func shares() throws {
        let same = try ClassProbabilities([[Double]](repeating: [0.5, 0.3, 0.2], count: 10))
        let stacking = try Stacking([same], labels: [0, 0, 0, 0, 0, 0, 1, 1, 1, 2])
        #expect(isClose(Array(try stacking.combined([same])[0]), [0.6, 0.3, 0.1], 1e-6))
    }

    @Test("with two classes and one feature the regression has the known slope")
    func slope() throws {
        // Three of four rows with x = 1 are of class 1, and one of four with x = -1. With hardly any regularization the logits are
        // those of the shares, ln 3 and -ln 3.
        let features: [[Double]] = [[1], [1], [1], [1], [-1], [-1], [-1], [-1]]
        let regression = try LogisticRegression(features: features, labels: [1, 1, 1, 0, 0, 0, 0, 1], classCount: 2, regularization: 1e-9)
        #expect(isClose(regression.probabilities([1]), [0.25, 0.75], 1e-6) && isClose(regression.probabilities([-1]), [0.75, 0.25], 1e-6))
        #expect(isClose(regression.probabilities([0]), [0.5, 0.5], 1e-6))
    }

    @Test("the solver finds the minimum of a function of very different curvatures")
    func solver() {
        let scales = [1.0, 10, 100, 1_000, 10_000]
        let solution = LimitedMemoryBFGS().minimize(from: [1, 1, 1, 1, 1]) { point, gradient in
            var value = 0.0
            for (index, scale) in scales.enumerated() {
                let offset = point[index] - Double(index)
                value += scale * offset * offset / 2
                gradient[index] = scale * offset
            }
            return value
        }
        #expect(solution.isConverged && isClose(solution.point, [0, 1, 2, 3, 4], 1e-5))
        #expect(
            LimitedMemoryBFGS().minimize(from: [0]) { _, gradient in
                gradient[0] = 0; return 3
            }.iterationCount == 0)
        let limited = LimitedMemoryBFGS(maximumIterationCount: 1).minimize(from: [3, 1]) { point, gradient in
            gradient = [point[0], 50 * point[1]]
            return point[0] * point[0] / 2 + 25 * point[1] * point[1]
        }
        #expect(!limited.isConverged && limited.iterationCount == 1)
    }

    @Test("out-of-fold predictions are put in the order of the table's rows")
    func folds() throws {
        let one = try ClassProbabilities([[1, 0], [0.5, 0.5]]), two = try ClassProbabilities([[0, 1]])
        let whole = try ClassProbabilities(folds: [([2, 0], one), ([1], two)], rowCount: 3)
        #expect(whole.values == [0.5, 0.5, 0, 1, 1, 0])
        for (folds, expected) in [
            ([([2, 0], one), ([0], two)], "row 0 again"), ([([2, 0], one)], "expected 3 rows in all folds, found 2"),
            ([([2, 3], one), ([1], two)], "expected rows below 3, found 3"), ([([2], one), ([0, 1], two)], "fold 0: expected probabilities of 1 rows"),
            ([], "at least one fold"),
        ] as [([(rows: [Int], probabilities: ClassProbabilities)], String)] {
            let status = #expect(throws: Status.self) { try ClassProbabilities(folds: folds, rowCount: 3) }
            #expect(status?.message.contains(expected) == true, "\(status?.message ?? "")")
        }
    }

    @Test("what are not probabilities, and members that do not fit, are errors")
    func mistakes() throws {
        func message(_ body: () throws -> Void) -> String { #expect(throws: Status.self) { try body() }?.message ?? "" }
        #expect(message { _ = try ClassProbabilities([]) } == "probabilities: expected at least one row, found none")
        #expect(message { _ = try ClassProbabilities([[]]) }.contains("found 1 rows of 0 classes"))
        #expect(message { _ = try ClassProbabilities([[0.5, 0.5], [1]]) } == "probabilities, row 1: expected 2 classes as in row 0, found 1")
        #expect(message { _ = try ClassProbabilities([[1.5, -0.5]]) } == "probabilities, row 0: expected numbers between 0 and 1, found 1.5")
        #expect(message { _ = try ClassProbabilities([[.nan, 1]]) }.contains("found nan"))
        #expect(message { _ = try ClassProbabilities([[0.5, 0.25]]) } == "probabilities, row 0: expected a sum of 1, found 0.75")
        #expect(message { _ = try ClassProbabilities(Tensor([1, 0] as [Float])) }.contains("expected shape [rows, classes]"))
        let pair = try ClassProbabilities([[0.5, 0.5]]), triple = try ClassProbabilities([[0.5, 0.25, 0.25]])
        #expect(message { _ = try EnsembleCombination.average([]) } == "members: expected at least one, found none")
        #expect(message { _ = try EnsembleCombination.majorityVote([pair, triple]) } == "member 1: expected 1 rows of 2 classes as in member 0, found 1 of 3")
        #expect(message { _ = try EnsembleCombination.average([pair], weights: [0]) }.contains("not all 0"))
        #expect(message { _ = try EnsembleCombination.average([pair], weights: [1, 2]) } == "weights: expected 1, one for each member, found 2")
        #expect(message { _ = try Stacking([pair], labels: [2]) } == "labels: expected classes between 0 and 1, found 2")
        #expect(message { _ = try Stacking([pair], labels: []) } == "labels: expected 1, one for each row, found 0")
        #expect(message { _ = try Stacking([pair], labels: [0], regularization: 0) } == "regularization: expected a finite number above 0, found 0.0")
        let stacking = try Stacking([pair], labels: [0])
        #expect(message { _ = try stacking.combined([triple]) } == "stacking: expected 1 members of 2 classes, found 1 of 3")
    }

    @Test("a softmax's tensor is read")
    func tensor() throws {
        let probabilities = try ClassProbabilities(Tensor([0.25, 0.75, 1, 0] as [Float], shape: [2, 2]))
        #expect(probabilities.values == [0.25, 0.75, 1, 0] && probabilities.classes == [1, 0])
    }

    @Test("a solution is taken with a small gradient, also if the solver's tolerance is not reached; not with a large one")
    func flatLoss() throws {
        let features = (0..<60).map { row in
            (0..<3).map { column in
                let noise = Double(row * (column + 1) % 7) * 0.01
                return column == row % 3 ? 1 + noise : noise
            }
        }
        func model(_ solver: LimitedMemoryBFGS) throws(Status) -> LogisticRegression {
            try LogisticRegression(features: features, labels: (0..<60).map { $0 % 3 }, classCount: 3, regularization: 1, solver: solver)
        }
        let probabilities = try model(LimitedMemoryBFGS(tolerance: 0)).probabilities(features[1])
        #expect(isClose(probabilities, try model(LimitedMemoryBFGS()).probabilities(features[1]), 1e-6))
        let error = thrownStatus { _ = try model(LimitedMemoryBFGS(maximumIterationCount: 1)) }
        #expect(error?.code == .failedPrecondition && error?.message.contains("at most 0.0001 after 1 iterations") == true, "\(error?.message ?? "")")
    }
}
