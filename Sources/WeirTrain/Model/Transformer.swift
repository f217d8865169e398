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
        guard sizes.allSatisfy({ (1...Transformer.greatestSize).contains($0) }) else {
            return builder.failing(
                "Transformer: tokens, token size, width, heads, depth and classes must be between 1 and \(Transformer.greatestSize); found \(sizes)")
        }
        guard width % heads == 0 else {
            return builder.failing("Transformer: the width must be a multiple of the heads; found width \(width) and \(heads) heads")
        }
        var layers = LayerBuilder(builder, dtype: dtype, seed: seed)
        var tokens = builder.nameScope("embedding") {
            let vectors = layers.dense(inputs["features"].reshaped(to: [-1, tokenSize]), inputs: tokenSize, units: width)
            return sequences(vectors) + layers.positions(tokenCount, width: width)
        }
        for block in 1...depth {
            tokens = builder.nameScope("block\(block)") {
                let attended = tokens + builder.nameScope("attention") { attention(tokens, &layers) }
                return attended + builder.nameScope("mlp") { mlp(attended, &layers) }
            }
        }
        return builder.nameScope("output") {
            layers.dense(layers.normalized(tokens, width: width).mean(axes: [1]), inputs: width, units: classCount)
        }
    }

    /// Greater sizes are mistakes. With this bound, no product of two of them overflows.
    private static let greatestSize = 1 << 20

    /// Rows of vectors, `[rows * tokens, width]`, as sequences, `[rows, tokens, width]`.
    private func sequences(_ vectors: Output) -> Output { vectors.reshaped(to: [-1, tokenCount, width]) }

    /// Multi-head self-attention on `[rows, tokens, width]`.
    private func attention(_ tokens: Output, _ layers: inout LayerBuilder) -> Output {
        let builder = tokens.builder
        let vectors = layers.normalized(tokens, width: width).reshaped(to: [-1, width])
        /// A projection of the tokens for each head: `[rows, heads, tokens, width / heads]`.
        func projection(_ name: String) -> Output {
            builder.nameScope(name) {
                layers.dense(vectors, inputs: width, units: width)
                    .reshaped(to: [-1, tokenCount, heads, width / heads]).transposed(permutation: [0, 2, 1, 3])
            }
        }
        let query = projection("query"), key = projection("key"), value = projection("value")
        let scores = query.matMul(key, transposeB: true) * (1 / Double(width / heads).squareRoot())
        let mixed = scores.softmax().matMul(value).transposed(permutation: [0, 2, 1, 3]).reshaped(to: [-1, width])
        return builder.nameScope("projection") { sequences(layers.dense(mixed, inputs: width, units: width)) }
    }

    /// Two dense layers with a GELU between them, on each token of `[rows, tokens, width]`.
    private func mlp(_ tokens: Output, _ layers: inout LayerBuilder) -> Output {
        let builder = tokens.builder
        let vectors = layers.normalized(tokens, width: width).reshaped(to: [-1, width])
        let wide = builder.nameScope("up") { layers.gelu(layers.dense(vectors, inputs: width, units: 2 * width)) }
        return builder.nameScope("down") { sequences(layers.dense(wide, inputs: 2 * width, units: width)) }
    }
}
