public import WeirGraph
import WeirOps
import WeirTensor

/// A measure of predictions that is a function of sums over rows: accuracy, precision, the area under a curve…
///
/// `value` is that of the rows of one step: what `Model.metrics` returns, because all held-out rows are evaluated in one step. Of rows that come
/// in several steps, `accumulated(name:)` keeps the sums in variables, as TensorFlow's streaming metrics do.
///
/// ```swift
/// func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
///     ["accuracy": Metric.accuracy(predictions, labels: inputs["labels"]).value,
///      "top3": Metric.topKAccuracy(predictions, labels: inputs["labels"], k: 3).value]
/// }
/// ```
public struct Metric: Sendable {
    /// The builder of the graph.
    public let builder: GraphBuilder
    /// The sums over the rows of a step. Their shapes are known.
    public let sums: [Output]
    private let result: @Sendable ([Output]) -> Output

    /// A metric of one's own.
    /// - Parameters:
    ///   - sums: sums over the rows of a step, of a floating type and known shapes.
    ///   - result: the metric's value, from the sums of any number of rows.
    public init(_ builder: GraphBuilder, sums: [Output], _ result: @escaping @Sendable ([Output]) -> Output) {
        self.builder = builder
        self.sums = sums
        self.result = result
    }

    /// The metric of the rows of a step.
    public var value: Output { result(sums) }

    /// Declares variables that hold the sums over the rows of several steps, in a name scope.
    public func accumulated(name: String) -> StreamingMetric {
        builder.nameScope(name) {
            let variables = sums.enumerated().map { number, sum in
                builder.variable("sum\(number)") {
                    if sum.shape.known == nil { builder.record(.invalidArgument("Metric '\(name)': the shape of a sum must be known, found \(sum)")) }
                    return builder.filled(sum.shape.known ?? .scalar, with: 0, sum.dtype)
                }
            }
            return StreamingMetric(
                variables: variables, update: builder.group(zip(variables, sums).map { $0.assignAdd($1) }, name: "update"),
                reset: builder.group(variables.map(\.initializer), name: "reset"), value: result(variables.map { $0.read() }))
        }
    }
}

/// A metric of the rows of several steps. TensorFlow's pairs of a value and an update operation.
///
/// Run `reset` before the first step, `update` in each step, and then fetch `value`.
public struct StreamingMetric: Sendable {
    /// The sums over all rows so far.
    public let variables: [Variable]
    /// Adds the rows of a step.
    public let update: Operation
    /// Sets the sums to 0.
    public let reset: Operation
    /// The metric of all rows so far.
    public let value: Output
}

// Means.
extension Metric {
    /// The mean of the elements.
    public static func mean(_ values: Output) -> Metric {
        let values = values.dtype.isFloating ? values : values.cast(to: .float32)
        return Metric(values.builder, sums: [values.sum(), values.onesLike().sum()]) { $0[0].dividedNoNaN(by: $0[1]) }
    }
    /// The mean of the squared differences.
    public static func meanSquaredError(_ predictions: Output, targets: Output) -> Metric { mean(predictions.squaredDifference(targets)) }
    /// The square root of the mean of the squared differences.
    public static func rootMeanSquaredError(_ predictions: Output, targets: Output) -> Metric {
        let squares = meanSquaredError(predictions, targets: targets)
        return Metric(squares.builder, sums: squares.sums) { squares.result($0).sqrt() }
    }
    /// The mean of the absolute differences.
    public static func meanAbsoluteError(_ predictions: Output, targets: Output) -> Metric { mean((predictions - targets).abs()) }
}

// Classes.
extension Metric {
    /// The fraction of rows for which the class with the greatest logit or probability is the label.
    /// - Parameters:
    ///   - predictions: `[rows, …, classes]`.
    ///   - labels: `int32` or `int64`, `[rows, …]`.
    public static func accuracy(_ predictions: Output, labels: Output) -> Metric {
        mean(predictions.argMax(axis: -1, outputType: labels.dtype).equal(labels))
    }
    /// The fraction of rows for which the label is one of the `k` classes with the greatest logits.
    /// - Parameters:
    ///   - predictions: `[rows, classes]`.
    ///   - labels: `int32` or `int64`, `[rows]`.
    public static func topKAccuracy(_ predictions: Output, labels: Output, k: Int) -> Metric {
        let wanted = labels.expandedDimension(at: -1)
        let isRight = predictions.topK(k).indices.cast(to: labels.dtype).equal(wanted).any(axes: [-1])
        return mean(isRight)
    }
    /// The number of rows of each label, by what was predicted: element `[i, j]` counts rows of label i for which j was predicted, `float32` of
    /// shape `[classes, classes]`.
    /// - Parameters:
    ///   - predictions: `[rows, classes]`; the class with the greatest element counts.
    ///   - labels: `int32` or `int64`, `[rows]`.
    public static func confusionMatrix(_ predictions: Output, labels: Output, classes: Int) -> Metric {
        let expected = labels.oneHot(depth: classes), found = predictions.argMax(axis: -1, outputType: .int32).oneHot(depth: classes)
        return Metric(expected.builder, sums: [expected.matMul(found, transposeA: true)]) { $0[0] }
    }
}

// Yes or no. Probabilities and targets, which are 0 or 1, have one shape.
extension Metric {
    /// The fraction of elements for which the probability is greater than the threshold exactly if the target is 1.
    public static func binaryAccuracy(_ probabilities: Output, targets: Output, threshold: Double = 0.5) -> Metric {
        mean(probabilities.greater(threshold).equal(targets.greater(0.5)))
    }
    /// Of the elements with a probability greater than the threshold, the fraction whose target is 1.
    public static func precision(_ probabilities: Output, targets: Output, threshold: Double = 0.5) -> Metric {
        let counts = Counts(probabilities, targets, [threshold])
        return Metric(probabilities.builder, sums: [counts.truePositives, counts.falsePositives]) { scalar($0[0]).dividedNoNaN(by: scalar($0[0] + $0[1])) }
    }
    /// Of the elements whose target is 1, the fraction with a probability greater than the threshold.
    public static func recall(_ probabilities: Output, targets: Output, threshold: Double = 0.5) -> Metric {
        let counts = Counts(probabilities, targets, [threshold])
        return Metric(probabilities.builder, sums: [counts.truePositives, counts.positives]) { scalar($0[0]).dividedNoNaN(by: scalar($0[1])) }
    }
    /// The area under the curve of the rates of true and of false positives for all thresholds (ROC), by trapezoids. Keras's `AUC`.
    /// - Parameter thresholds: the number of thresholds, at least 2.
    public static func areaUnderCurve(_ probabilities: Output, targets: Output, thresholds: Int = 200) -> Metric {
        let count = max(2, thresholds)
        if thresholds < 2 { probabilities.builder.record(.invalidArgument("Metric.areaUnderCurve: expected at least 2 thresholds, found \(thresholds)")) }
        let inner = (1..<count - 1).map { Double($0) / Double(count - 1) }
        let counts = Counts(probabilities, targets, [-Loss.epsilon] + inner + [1 + Loss.epsilon])
        return Metric(probabilities.builder, sums: [counts.truePositives, counts.falsePositives, counts.positives, counts.negatives]) { sums in
            let hits = sums[0].dividedNoNaN(by: sums[2]), alarms = sums[1].dividedNoNaN(by: sums[3])
            let heights = (hits.sliced(at: [0], size: [count - 1]) + hits.sliced(at: [1], size: [count - 1])) * 0.5
            return ((alarms.sliced(at: [0], size: [count - 1]) - alarms.sliced(at: [1], size: [count - 1])) * heights).sum()
        }
    }

    private static func scalar(_ vector: Output) -> Output { vector.sum() }

    /// The numbers of right and wrong answers, one for each threshold.
    private struct Counts {
        let truePositives: Output
        let falsePositives: Output
        /// Elements whose target is 1: a scalar.
        let positives: Output
        /// Elements whose target is 0: a scalar.
        let negatives: Output

        init(_ probabilities: Output, _ targets: Output, _ thresholds: [Double]) {
            let builder = probabilities.builder
            let limits = builder.constant(Tensor(thresholds)).cast(to: probabilities.dtype).reshaped(to: [thresholds.count, 1])
            let isPositive = targets.flattened().greater(0.5).cast(to: .float32)
            let found = probabilities.reshaped(to: [1, -1]).greater(limits).cast(to: .float32)
            truePositives = (found * isPositive).sum(axes: [1])
            falsePositives = (found * (1 - isPositive)).sum(axes: [1])
            positives = isPositive.sum()
            negatives = (1 - isPositive).sum()
        }
    }
}
