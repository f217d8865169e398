import Glibc
public import WeirGraph
import WeirOps
import WeirTensor

/// A model of texts: it predicts which character comes next, after each character of a row.
///
/// Its inputs are `features` and `labels`, `int32` of shape `[rows, characters]`, as `Dataset.init(text:window:)` has them. Its predictions are
/// logits of shape `[rows, characters, vocabulary]`; those after a character depend on no later one, so that the model can be asked what follows a
/// text: see `TextSampler`.
public protocol LanguageModel: Model {
    /// The number of characters of a row.
    var window: Int { get }
    /// The number of characters that the model knows.
    var characterCount: Int { get }
}

extension LanguageModel {
    /// `features` and `labels`.
    public var inputs: [ModelInput] { [ModelInput("features", .int32, [window]), ModelInput("labels", .int32, [window])] }
    /// The mean of the softmax cross entropy over the characters of all rows.
    public func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        Loss.sparseCategoricalCrossEntropy(predictions, labels: inputs["labels"])
    }
    /// `accuracy`, the fraction of characters that are the most probable; `bits_per_character`, the mean cross entropy to base 2: what an ideal
    /// compressor that uses the model writes for a character (Shannon, *Prediction and Entropy of Printed English*, 1951).
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        let labels = inputs["labels"]
        return [
            "accuracy": Metric.accuracy(predictions, labels: labels).value,
            "bits_per_character": Loss.sparseCategoricalCrossEntropy(predictions, labels: labels) * (1 / Glibc.log(2)),
        ]
    }
}
