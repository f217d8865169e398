import Foundation
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirTrain

@Suite("Losses and metrics")
struct LossTests {
    @Test("losses are Keras's")
    func losses() async throws {
        let builder = GraphBuilder()
        let p = builder.constant(Tensor((0..<12).map { cos(0.9 * Double($0)) }, ofShape: [3, 4]))
        let t = builder.constant(Tensor((0..<12).map { sin(1.3 * Double($0)) * 2 }, ofShape: [3, 4]))
        let positive = (p * 2).softmax(), shares = t.softmax(), signs = (t - 0.1).sign()
        let labels = builder.constant(Tensor([2, 0, 3] as [Int32])), hot = labels.oneHot(depth: 4, dtype: .float64)
        let losses: [String: Output] = [
            "meanSquaredError": Loss.meanSquaredError(p, targets: t), "meanAbsoluteError": Loss.meanAbsoluteError(p, targets: t),
            "meanAbsolutePercentageError": Loss.meanAbsolutePercentageError(p, targets: t),
            "meanSquaredLogarithmicError": Loss.meanSquaredLogarithmicError(positive, targets: shares), "huber": Loss.huber(p, targets: t, delta: 0.7),
            "logCosh": Loss.logCosh(p, targets: t), "cosineSimilarity": Loss.cosineSimilarity(p, targets: t),
            "poisson": Loss.poisson(positive, targets: shares * 3), "sparseCategoricalCrossEntropy": Loss.sparseCategoricalCrossEntropy(p, labels: labels),
            "categoricalCrossEntropy": Loss.categoricalCrossEntropy(p, targets: hot, labelSmoothing: 0.1),
            "binaryCrossEntropy": Loss.binaryCrossEntropy(p * 30, targets: hot, labelSmoothing: 0.2), "hinge": Loss.hinge(p, targets: signs),
            "squaredHinge": Loss.squaredHinge(p, targets: signs), "categoricalHinge": Loss.categoricalHinge(p, targets: hot),
            "kullbackLeiblerDivergence": Loss.kullbackLeiblerDivergence(positive, targets: shares),
        ]
        let expected = KerasNumbers.table(KerasNumbers.losses)
        #expect(Set(losses.keys) == Set(expected.keys))
        let session = try await Session(builder.graph())
        for (name, value) in try await session.run(losses) {
            let number = try #require(expected[name]?.first), found = try value.scalar(of: Double.self)
            #expect(abs(found - number) <= 1e-8 * max(1, abs(number)), "\(name): \(found)")
        }
        try await session.close()
    }

    @Test("classes of sequences are classes of rows")
    func sequences() async throws {
        let builder = GraphBuilder()
        let flat = builder.constant(Tensor((0..<24).map { cos(0.9 * Double($0)) }, ofShape: [6, 4]))
        let labels = builder.constant(Tensor([0, 1, 2, 3, 0, 1] as [Int32]))
        let (rows, classes) = (flat.reshaped(to: [2, 3, 4]), labels.reshaped(to: [2, 3]))
        let losses = [
            Loss.sparseCategoricalCrossEntropy(flat, labels: labels), Loss.sparseCategoricalCrossEntropy(rows, labels: classes),
            Loss.categoricalCrossEntropy(rows, targets: classes.oneHot(depth: 4, dtype: .float64)),
        ]
        let session = try await Session(builder.graph())
        let found = try await session.run(losses).map { try $0.scalar(of: Double.self) }
        #expect(abs(found[0] - found[1]) < 1e-12 && abs(found[0] - found[2]) < 1e-12)
        try await session.close()
    }

    @Test("metrics of rows that come in two parts are Keras's, and the value is that of one part")
    func metrics() async throws {
        let builder = GraphBuilder()
        let scores = builder.placeholder(.float32, shape: [nil, 4]), labels = builder.placeholder(.int32, shape: [nil])
        let chances = builder.placeholder(.float64, shape: [nil]), answers = builder.placeholder(.float64, shape: [nil])
        let metrics: [String: Metric] = [
            "accuracy": .accuracy(scores, labels: labels), "topK": .topKAccuracy(scores, labels: labels, k: 2),
            "binaryAccuracy": .binaryAccuracy(chances, targets: answers, threshold: 0.4),
            "precision": .precision(chances, targets: answers, threshold: 0.4), "recall": .recall(chances, targets: answers, threshold: 0.4),
            "areaUnderCurve": .areaUnderCurve(chances, targets: answers), "meanSquaredError": .meanSquaredError(chances, targets: answers),
            "rootMeanSquaredError": .rootMeanSquaredError(chances, targets: answers), "meanAbsoluteError": .meanAbsoluteError(chances, targets: answers),
        ]
        let expected = KerasNumbers.table(KerasNumbers.metrics)
        #expect(Set(metrics.keys) == Set(expected.keys))
        let streaming = metrics.mapValues { $0.accumulated(name: "metric") }, values = metrics.mapValues(\.value)
        let reset = builder.group(streaming.values.map(\.reset)), update = builder.group(streaming.values.map(\.update))
        let session = try await Session(builder.graph())
        func feeds(_ range: Range<Int>) -> [Output: any TensorConvertible] {
            [
                scores: Tensor(range.flatMap { row in (0..<4).map { Float(cos(0.9 * Double(4 * row + $0))) } }, ofShape: Shape(range.count, 4)),
                labels: Tensor(range.map { Int32((7 * $0 + 3) % 4) }), chances: Tensor(range.map { (cos(1.7 * Double($0)) + 1) / 2 }),
                answers: Tensor(range.map { sin(2.3 * Double($0)) > 0 ? 1.0 : 0 }),
            ]
        }
        func check(_ found: [String: Tensor], _ part: Int) throws {
            for (name, tensor) in found {
                let number = try #require(expected[name]?[part]), value = try tensor.double()
                // Keras adds float32 numbers.
                #expect(abs(value - number) < 1e-6, "\(name): \(value), expected \(number)")
            }
        }
        for _ in 0..<2 {
            try await session.run(reset)
            try await session.run(update, feeding: feeds(0..<6))
            try check(try await session.run(streaming.mapValues(\.value)), 0)
            try check(try await session.run(values, feeding: feeds(0..<6)), 0)
            try await session.run(update, feeding: feeds(6..<10))
            try check(try await session.run(streaming.mapValues(\.value)), 1)
        }
        try await session.close()
    }

    @Test("a confusion matrix has labels as rows and predictions as columns")
    func confusion() async throws {
        let builder = GraphBuilder()
        let scores = builder.constant([[5, 1, 0], [0, 1, 5], [0, 3, 1], [0, 1, 4]], .float32), labels = builder.constant(Tensor([0, 1, 1, 1] as [Int32]))
        let matrix = Metric.confusionMatrix(scores, labels: labels, classes: 3).value
        let session = try await Session(builder.graph())
        #expect(try await session.run(matrix).array(of: Float.self) == [1, 0, 0, 0, 1, 2, 0, 0, 0])
        try await session.close()
    }
}
