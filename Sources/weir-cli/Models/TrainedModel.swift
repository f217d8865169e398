import Weir

/// A model after training, with what it shows its results on.
struct TrainedModel {
    let graph: ModelGraph
    /// The values of its variables, by name.
    let values: [String: Tensor]
    /// Rows that it was not trained on.
    let test: Dataset
    /// How the features of these rows were changed; nil if they are as they were.
    let standardization: Standardization?
    let seed: Int
}

/// Something that a model shows after training.
enum ModelResult {
    /// Text for people to read; `title` says what it is.
    case text(title: String, String)
    /// A file of this name in the folder of `--out`; `title` says what it is.
    case file(title: String, name: String, contents: [UInt8])
}
