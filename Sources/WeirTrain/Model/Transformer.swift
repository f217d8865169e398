public import WeirGraph
import WeirOps
public import WeirTensor

/// A classifier of short sequences: a transformer encoder over the tokens of a row.
///
/// The features of a row are `tokenCount` tokens of `tokenSize` numbers each, such as the rows of a small image. Blocks are
/// normalized before attention and before the dense layers; the tokens' mean goes to the output. Vaswani et al., *Attention Is
/// All You Need*, 2017; Xiong et al., *On Layer Normalization in the Transformer Architecture*, 2020.
///
/// ```swift
/// let digits = try Table.digits()
/// let network = Transformer(tokenCount: 8, tokenSize: 8, classCount: 10)
/// let options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.002), stepCount: 800)
/// ```
public struct Transformer: Classifier {
    /// The number of tokens in a row.
    public var tokenCount: Int
    /// The number of features in a token.
    public var tokenSize: Int
    /// The number of elements of a token's vector; a multiple of `heads`.
    public var width: Int
    /// The number of attention heads.
    public var heads: Int
    /// The number of blocks.
    public var depth: Int
    /// The number of classes.
    public var classCount: Int
    /// The seed of the initial weights.
    public var seed: Int
    /// The element type of features, variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network. The dense layers of a block are `2 * width` wide.
    public init(
        tokenCount: Int, tokenSize: Int, width: Int = 32, heads: Int = 4, depth: Int = 2, classCount: Int, seed: Int = 1,
        dtype: DType = .float32
    ) {
        self.tokenCount = tokenCount
        self.tokenSize = tokenSize
        self.width = width
        self.heads = heads
        self.depth = depth
        self.classCount = classCount
        self.seed = seed
        self.dtype = dtype
    }

    /// `features`, of shape `[rows, tokenCount * tokenSize]`, and `labels`, of shape `[rows]`.
    public var inputs: [ModelInput] {
        [ModelInput("features", dtype, [Shape(tokenCount, tokenSize).elementCount]), ModelInput("labels", .int32)]
    }

    /// Adds the layers `embedding`, `block1`, `block2`… and `output`, and returns the logits. Records an error if the sizes are
    /// not those of a network, or `heads` does not divide `width`.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let sizes = [tokenCount, tokenSize, width, heads, depth, classCount]
        guard sizes.allSatisfy({ (1...greatestLayerSize).contains($0) }) else {
            return builder.failing(
                "Transformer: tokens, token size, width, heads, depth and classes must be between 1 and \(greatestLayerSize); found \(sizes)")
        }
        guard width % heads == 0 else {
            return builder.failing("Transformer: the width must be a multiple of the heads; found width \(width) and \(heads) heads")
        }
        let attention = MultiHeadAttention(heads: heads, keySize: width / heads, name: "attention")
        let network = Sequential {
            Sequential(name: "embedding") {
                Reshape([tokenCount, tokenSize], name: "")
                Dense(width, name: "")
                PositionEmbedding(name: "")
            }
            for block in 1...depth {
                Sequential(name: "block\(block)") {
                    Residual(name: "") {
                        LayerNormalization(epsilon: 1e-6, name: "attention_norm")
                        attention
                    }
                    Residual(name: "") {
                        LayerNormalization(epsilon: 1e-6, name: "mlp_norm")
                        Sequential(name: "mlp") {
                            Dense(2 * width, activation: .gelu, name: "up")
                            Dense(width, name: "down")
                        }
                    }
                }
            }
            Sequential(name: "output") {
                LayerNormalization(epsilon: 1e-6, name: "norm")
                GlobalAveragePool(name: "")
                Dense(classCount, name: "")
            }
        }
        return network(inputs["features"], inputs.layers(seed: seed, dtype: dtype))
    }
}

/// Greater sizes of a network's layers are mistakes. With this bound, no product of two of them overflows.
let greatestLayerSize = 1 << 20
