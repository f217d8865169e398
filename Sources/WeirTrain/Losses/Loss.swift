public import WeirGraph
import WeirOps
import WeirTensor

/// Keras's loss functions: scalars, the mean over the rows of a batch, as `Model.loss` must return it.
///
/// ```swift
/// func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
///     Loss.sparseCategoricalCrossEntropy(predictions, labels: inputs["labels"])
/// }
/// ```
/// Predictions and targets have the shape `[rows, …]`, with the features or classes in the last dimension, and one floating type.
public enum Loss {
    /// What Keras adds so that no logarithm or quotient is of 0.
    static let epsilon = 1e-7
}

// Regression.
extension Loss {
    /// The mean of the squared differences.
    public static func meanSquaredError(_ predictions: Output, targets: Output) -> Output { predictions.squaredDifference(targets).mean() }
    /// The mean of the absolute differences.
    public static func meanAbsoluteError(_ predictions: Output, targets: Output) -> Output { (predictions - targets).abs().mean() }
    /// The mean of the absolute differences in percent of the targets.
    public static func meanAbsolutePercentageError(_ predictions: Output, targets: Output) -> Output {
        ((targets - predictions) / targets.abs().maximum(epsilon)).abs().mean() * 100
    }
    /// The mean of the squared differences of logarithms of 1 and the value, which must not be negative.
    public static func meanSquaredLogarithmicError(_ predictions: Output, targets: Output) -> Output {
        (predictions.maximum(epsilon) + 1).log().squaredDifference((targets.maximum(epsilon) + 1).log()).mean()
    }
    /// Half the squared difference up to `delta`, and linear beyond: Huber, *Robust Estimation of a Location Parameter*, 1964.
    public static func huber(_ predictions: Output, targets: Output, delta: Double = 1) -> Output {
        let distance = (predictions - targets).abs()
        return distance.lessEqual(delta).select(distance.square() * 0.5, distance * delta - 0.5 * delta * delta).mean()
    }
    /// The logarithm of the difference's hyperbolic cosine: like half the square for small differences, and linear for large ones.
    public static func logCosh(_ predictions: Output, targets: Output) -> Output {
        let difference = predictions - targets
        return (difference + (difference * -2).softplus() - 0.693_147_180_559_945_3).mean()
    }
    /// Minus the cosine of the angle between predictions and targets, as vectors of the last dimension.
    public static func cosineSimilarity(_ predictions: Output, targets: Output) -> Output {
        func normalized(_ vectors: Output) -> Output {
            vectors * vectors.square().sum(axes: [-1], keepDimensions: true).maximum(1e-12).rsqrt()
        }
        return -(normalized(targets) * normalized(predictions)).sum(axes: [-1]).mean()
    }
    /// Of predicted means of counts: `prediction - target * log(prediction)`.
    public static func poisson(_ predictions: Output, targets: Output) -> Output {
        (predictions - targets * (predictions + epsilon).log()).mean()
    }
}

// Classes and probabilities.
extension Loss {
    /// The cross entropy of classes that exclude each other: softmax of the logits against their numbers, `labels`, of shape `[rows, …]`.
    /// Keras's `sparse_categorical_crossentropy(from_logits=True)`.
    public static func sparseCategoricalCrossEntropy(_ logits: Output, labels: Output) -> Output {
        let (rows, isFlat) = matrix(logits)
        return rows.sparseSoftmaxCrossEntropy(labels: isFlat ? labels : labels.flattened()).mean()
    }
    /// The cross entropy of classes that exclude each other: softmax of the logits against probabilities, such as one-hot rows. Keras's
    /// `categorical_crossentropy(from_logits=True)`.
    /// - Parameter labelSmoothing: the part of the probabilities that is divided equally among all classes: Szegedy et al., *Rethinking the
    ///   Inception Architecture*, 2016. The number of classes must then be known.
    public static func categoricalCrossEntropy(_ logits: Output, targets: Output, labelSmoothing: Double = 0) -> Output {
        var targets = targets
        if labelSmoothing != 0 {
            guard let rank = logits.shape.rank, rank > 0, let classes = logits.shape[rank - 1], classes > 0 else {
                logits.builder.record(.invalidArgument("Loss.categoricalCrossEntropy: smoothing needs a known number of classes, found logits \(logits)"))
                return logits
            }
            targets = targets * (1 - labelSmoothing) + labelSmoothing / Double(classes)
        }
        return matrix(logits).rows.softmaxCrossEntropy(labels: matrix(targets).rows).mean()
    }
    /// The cross entropy of yes-or-no questions: sigmoid of each logit against a probability. Keras's
    /// `binary_crossentropy(from_logits=True)`.
    /// - Parameter labelSmoothing: the part of the probabilities that is divided between yes and no.
    public static func binaryCrossEntropy(_ logits: Output, targets: Output, labelSmoothing: Double = 0) -> Output {
        let targets = labelSmoothing == 0 ? targets : targets * (1 - labelSmoothing) + 0.5 * labelSmoothing
        // `log(1 + exp(-|x|))` cannot overflow.
        return (logits.relu() - logits * targets + (-logits.abs()).exp().log1p()).mean()
    }
    /// `max(1 - target * prediction, 0)` for targets of -1 and 1: Cortes and Vapnik, *Support-Vector Networks*, 1995.
    public static func hinge(_ predictions: Output, targets: Output) -> Output { (1 - targets * predictions).maximum(0).mean() }
    /// The square of the hinge.
    public static func squaredHinge(_ predictions: Output, targets: Output) -> Output { (1 - targets * predictions).maximum(0).square().mean() }
    /// The greatest score of a wrong class minus that of the right class, plus 1, if that is positive. Targets are one-hot rows.
    public static func categoricalHinge(_ predictions: Output, targets: Output) -> Output {
        let right = (targets * predictions).sum(axes: [-1]), wrong = ((1 - targets) * predictions).max(axes: [-1])
        return (wrong - right + 1).maximum(0).mean()
    }
    /// The divergence of predicted probabilities from the targets: Kullback and Leibler, *On Information and Sufficiency*, 1951.
    public static func kullbackLeiblerDivergence(_ predictions: Output, targets: Output) -> Output {
        let expected = targets.clipped(from: epsilon, to: 1), found = predictions.clipped(from: epsilon, to: 1)
        return (expected * (expected / found).log()).sum(axes: [-1]).mean()
    }

    /// Rows of the last dimension, and whether that is what they were.
    private static func matrix(_ values: Output) -> (rows: Output, isFlat: Bool) {
        guard let rank = values.shape.rank, rank != 2, rank > 0, let size = values.shape[rank - 1] else { return (values, true) }
        return (values.reshaped(to: [-1, size]), false)
    }
}
