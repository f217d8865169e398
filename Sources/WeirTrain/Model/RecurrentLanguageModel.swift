public import WeirGraph
public import WeirTensor

/// A recurrent model of texts: a vector for each character, LSTM layers, and a dense layer after each step. Sutskever, Martens and Hinton,
/// *Generating Text with Recurrent Neural Networks*, 2011; Graves, *Generating Sequences With Recurrent Neural Networks*, 2013.
///
/// ```swift
/// let book = try Dataset.alice()
/// let network = RecurrentLanguageModel(window: 64, characterCount: try Vocabulary(book.column("features")).count)
/// let options = try TrainingOptions(network, data: .dataset(book), optimizer: Adam(learningRate: 0.008).clipped(.globalNorm(1)), stepCount: 1000)
/// ```
/// Each row begins with states of zeros.
public struct RecurrentLanguageModel: LanguageModel {
    /// The number of characters of a row.
    public var window: Int
    /// The number of characters that the model knows.
    public var characterCount: Int
    /// The number of elements of a character's vector.
    public var embeddingSize: Int
    /// The number of units of each LSTM layer.
    public var units: [Int]
    /// The seed of the initial weights.
    public var seed: Int
    /// The element type of variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(window: Int, characterCount: Int, embeddingSize: Int = 32, units: [Int] = [128], seed: Int = 1, dtype: DType = .float32) {
        self.window = window
        self.characterCount = characterCount
        self.embeddingSize = embeddingSize
        self.units = units
        self.seed = seed
        self.dtype = dtype
    }

    /// Adds the layers `embedding`, `lstm1`, `lstm2`… and `output`, and returns the logits. Records an error if the sizes are not those of
    /// a network.
    public func predictions(_ inputs: ModelInputs) -> Output {
        guard !units.isEmpty, ([window, characterCount, embeddingSize] + units).allSatisfy({ (1...greatestLayerSize).contains($0) }) else {
            return inputs.builder.failing(
                "RecurrentLanguageModel: characters of a row and of the vocabulary, embedding size and units must be between 1 and \(greatestLayerSize); "
                    + "found \(window), \(characterCount), \(embeddingSize) and \(units)")
        }
        let network = Sequential {
            Embedding(characterCount, embeddingSize, name: "embedding")
            for (index, count) in units.enumerated() { LSTM(count, returnsSequences: true, name: "lstm\(index + 1)") }
            Dense(characterCount, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: seed, dtype: dtype))
    }
}
