import Weir

/// A network that `--model` names: what it is, what it trains on where the user does not say, and how it is made for rows.
protocol NamedModel: Sendable {
    /// What `--model` takes.
    var name: String { get }
    /// What it is, in a few words, for the help.
    var summary: String { get }
    /// What training takes where the user does not say.
    var defaults: TrainingDefaults { get }
    /// The options of `ModelOptions` that it takes, without dashes.
    var options: [String] { get }
    /// The model for some rows.
    /// - Throws: `invalidArgument` when the rows do not suit it, or an option's value is wrong.
    func graph(for rows: TrainingRows, _ options: ModelOptions, seed: Int) throws -> ModelGraph
    /// Whether it predicts classes.
    var isClassifier: Bool { get }
    /// Whether it has something to show after training.
    var showsResults: Bool { get }
    /// What it shows after training, such as pictures of what it makes.
    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult]
}

extension NamedModel {
    var options: [String] { [] }
    var isClassifier: Bool { true }
    var showsResults: Bool { false }
    /// Nothing.
    func results(of trained: TrainedModel, _ options: ModelOptions) async throws -> [ModelResult] { [] }
}

/// The networks by name.
enum NamedModels {
    static let all: [any NamedModel] = [
        DenseModel(), ConvolutionalModel(), RecurrentModel(), TransformerModel(), RecurrentTextModel(), TransformerTextModel(), AutoencoderModel(),
        DenoisingAutoencoderModel(), VariationalAutoencoderModel(),
    ]

    static func named(_ name: String) -> (any NamedModel)? { all.first { $0.name == name } }
    /// `dnn, dense layers; cnn, convolutions`.
    static var help: String { all.map { "\($0.name), \($0.summary)" }.joined(separator: "; ") }
    /// What each takes where the user does not say: `dnn 200, cnn 600`. Those of which it is nil are left out.
    static func defaults(_ value: (TrainingDefaults) -> String?) -> String {
        all.compactMap { model in value(model.defaults).map { "\(model.name) \($0)" } }.joined(separator: ", ")
    }
}

/// What training takes where the user does not say.
struct TrainingDefaults {
    var data: String
    var steps: Int
    var batch: Int
    var optimizer: String
    var learningRate: Double
    /// The norm to which all gradients together are scaled; nil for any.
    var clipNorm: Double?
    /// The number of folds that are held out in turn; nil for all.
    var trainedFolds: Int?
    /// The most rows that are evaluated at a time; nil for as many as are not large.
    var evaluationBatch: Int?
}
