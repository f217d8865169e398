public import WeirGraph
public import WeirTensor

/// A transformer of texts: a vector for each character and each place, blocks of causal attention, and a dense layer after each character. Radford et
/// al., *Language Models are Unsupervised Multitask Learners*, 2019; Al-Rfou et al., *Character-Level Language Modeling with Deeper Self-Attention*,
/// 2019.
///
/// Blocks are normalized before attention and before the dense layers, which are `4 * width` wide.
public struct TransformerLanguageModel: LanguageModel {
    /// The number of characters of a row.
    public var window: Int
    /// The number of characters that the model knows.
    public var characterCount: Int
    /// The number of elements of a character's vector; a multiple of `heads`.
    public var width: Int
    /// The number of attention heads.
    public var heads: Int
    /// The number of blocks.
    public var depth: Int
    /// The seed of the initial weights.
    public var seed: Int
    /// The element type of variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(window: Int, characterCount: Int, width: Int = 64, heads: Int = 4, depth: Int = 2, seed: Int = 1, dtype: DType = .float32) {
        self.window = window
        self.characterCount = characterCount
        self.width = width
        self.heads = heads
        self.depth = depth
        self.seed = seed
        self.dtype = dtype
    }

    /// Adds the layers `embedding`, `block1`, `block2`… and `output`, and returns the logits. Records an error if the sizes are not those of a
    /// network, or `heads` does not divide `width`.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let sizes = [window, characterCount, width, heads, depth]
        guard sizes.allSatisfy({ (1...greatestLayerSize).contains($0) }) else {
            return builder.failing(
                "TransformerLanguageModel: characters of a row and of the vocabulary, width, heads and depth must be between 1 and "
                    + "\(greatestLayerSize); found \(sizes)")
        }
        guard width % heads == 0 else {
            return builder.failing("TransformerLanguageModel: the width must be a multiple of the heads; found width \(width) and \(heads) heads")
        }
        let network = Sequential {
            Sequential(name: "embedding") {
                Embedding(characterCount, width, name: "")
                PositionEmbedding(embeddingsInitializer: .randomUniform(), name: "")
            }
            for block in 1...depth {
                Sequential(name: "block\(block)") {
                    Residual(name: "") {
                        LayerNormalization(epsilon: 1e-6, name: "attention_norm")
                        MultiHeadAttention(heads: heads, keySize: width / heads, isCausal: true, name: "attention")
                    }
                    Residual(name: "") {
                        LayerNormalization(epsilon: 1e-6, name: "mlp_norm")
                        Sequential(name: "mlp") {
                            Dense(4 * width, activation: .gelu, name: "up")
                            Dense(width, name: "down")
                        }
                    }
                }
            }
            Sequential(name: "output") {
                LayerNormalization(epsilon: 1e-6, name: "norm")
                Dense(characterCount, name: "")
            }
        }
        return network(inputs["features"], inputs.layers(seed: seed, dtype: dtype))
    }
}
