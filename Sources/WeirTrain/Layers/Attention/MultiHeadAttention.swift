public import WeirGraph
import WeirOps
import WeirTensor

/// Attention with several heads: each position of the queries takes a mean of the values, weighted by how the keys fit the query. Vaswani et
/// al., *Attention Is All You Need*, 2017. Keras's `MultiHeadAttention`.
///
/// Called with one input, `[rows, positions, features]`, queries, keys and values are all made of it (self-attention). Variables: `kernel` and
/// `bias` in the scopes `query`, `key`, `value` and `attention_output`. Kernels are matrices, `[features, heads * keySize]`, where Keras has
/// the heads as a dimension: the numbers are the same, in the same order.
public struct MultiHeadAttention: Layer {
    /// The number of heads.
    public var heads: Int
    /// The number of elements of a query and a key of one head.
    public var keySize: Int
    /// The number of elements of a value of one head.
    public var valueSize: Int
    /// The number of features of the output; nil means as many as the queries' input has.
    public var outputSize: Int?
    /// Whether a position sees no later position.
    public var isCausal: Bool
    /// The probability that a weight is dropped in training.
    public var dropout: Double
    /// Whether there are biases.
    public var usesBias: Bool
    /// How kernels begin.
    public var kernelInitializer: Initializer
    /// How biases begin.
    public var biasInitializer: Initializer
    /// What is added to the loss for each kernel.
    public var kernelRegularizer: Regularizer?
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        heads: Int, keySize: Int, valueSize: Int? = nil, outputSize: Int? = nil, isCausal: Bool = false, dropout: Double = 0, usesBias: Bool = true,
        kernelInitializer: Initializer = .glorotUniform, biasInitializer: Initializer = .zeros, kernelRegularizer: Regularizer? = nil,
        name: String = "multi_head_attention"
    ) {
        self.heads = heads
        self.keySize = keySize
        self.valueSize = valueSize ?? keySize
        self.outputSize = outputSize
        self.isCausal = isCausal
        self.dropout = dropout
        self.usesBias = usesBias
        self.kernelInitializer = kernelInitializer
        self.biasInitializer = biasInitializer
        self.kernelRegularizer = kernelRegularizer
        self.name = name
    }

    /// Adds self-attention.
    public func call(_ input: Output, _ context: LayerContext) -> Output { attention(input, input, input, nil, context) }

    /// Adds attention, in a scope of the layer's name.
    /// - Parameters:
    ///   - query: `[rows, positions, features]`.
    ///   - value: `[rows, sources, features]`.
    ///   - key: `[rows, sources, features]`; nil for `value`.
    ///   - mask: bool, `[rows, positions, sources]` or what broadcasts to it: which sources a position sees.
    public func callAsFunction(query: Output, value: Output, key: Output? = nil, mask: Output? = nil, _ context: LayerContext) -> Output {
        context.scope(name) { attention(query, key ?? value, value, mask, context) }
    }

    private func attention(_ query: Output, _ key: Output, _ value: Output, _ mask: Output?, _ context: LayerContext) -> Output {
        let expected = "[rows, positions, features]"
        guard let sizes = context.sizes(of: query, count: 2, expected), let keySizes = context.sizes(of: key, count: 2, expected),
            let valueSizes = context.sizes(of: value, count: 2, expected),
            context.areSizes([heads, keySize, valueSize, outputSize ?? sizes[1]], "heads and sizes"), context.areSizes(sizes, "positions and features")
        else { return query }
        guard keySizes[0] == valueSizes[0] else { return context.failing("found \(keySizes[0]) keys and \(valueSizes[0]) values") }
        guard mask == nil || mask?.dtype == .bool else { return context.failing("expected a mask of booleans, found \(mask?.dtype ?? .bool)") }
        // Where queries, keys and values are made of one input, its positions become rows once.
        var flat: [Output: Output] = [:]
        func projection(_ input: Output, _ sizes: [Int], _ name: String, _ size: Int) -> Output {
            let rows = flat[input] ?? input.reshaped(to: [-1, sizes[1]])
            flat[input] = rows
            return dense(heads * size, name)(rows, context).reshaped(to: [-1, sizes[0], heads, size]).transposed(permutation: [0, 2, 1, 3])
        }
        let queries = projection(query, sizes, "query", keySize), keys = projection(key, keySizes, "key", keySize)
        let values = projection(value, valueSizes, "value", valueSize)
        var scores = queries.matMul(keys, transposeB: true) * (1 / Double(keySize).squareRoot())
        if let visible = visibility(mask, sizes[0], keySizes[0], context) {
            // Of weights that are all masked, none is greater than another.
            scores = visible.select(scores, context.builder.scalar(scores.dtype == .float16 ? -6e4 : -1e9, scores.dtype))
        }
        var weights = scores.softmax()
        if dropout != 0 { weights = Dropout(dropout)(weights, context) }
        let mixed = weights.matMul(values).transposed(permutation: [0, 2, 1, 3]).reshaped(to: [-1, heads * valueSize])
        let units = outputSize ?? sizes[1]
        return dense(units, "attention_output")(mixed, context).reshaped(to: [-1, sizes[0], units])
    }

    private func dense(_ units: Int, _ name: String) -> Dense {
        Dense(
            units, usesBias: usesBias, kernelInitializer: kernelInitializer, biasInitializer: biasInitializer, kernelRegularizer: kernelRegularizer,
            name: name)
    }

    /// Which sources a position sees, as a bool that broadcasts to `[rows, heads, positions, sources]`; nil for all.
    private func visibility(_ mask: Output?, _ positions: Int, _ sources: Int, _ context: LayerContext) -> Output? {
        let ofAllHeads = mask.map { $0.shape.rank == 2 ? $0 : $0.expandedDimension(at: -3) }
        guard isCausal else { return ofAllHeads }
        let builder = context.builder
        let isEarlier = builder.range(0, positions).reshaped(to: [positions, 1]).greaterEqual(builder.range(0, sources))
        return ofAllHeads.map { $0.logicalAnd(isEarlier) } ?? isEarlier
    }
}
