public import WeirGraph
import WeirOps
import WeirTensor

/// A table of vectors, one for each number from 0 up to but without `count`. Keras's `Embedding`.
///
/// `int32` or `int64` of any shape becomes that shape with one more dimension, of `size`. Variable: `embeddings`, of shape `[count, size]`.
/// Rows are gathered, so that the gradient has only the rows of a batch. A number outside of the table fails the step.
public struct Embedding: Layer {
    /// The number of vectors.
    public var count: Int
    /// The number of elements of a vector.
    public var size: Int
    /// How the table begins.
    public var embeddingsInitializer: Initializer
    /// What is added to the loss for the table. It reads the whole table in each step.
    public var embeddingsRegularizer: Regularizer?
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        _ count: Int, _ size: Int, embeddingsInitializer: Initializer = .randomUniform(), embeddingsRegularizer: Regularizer? = nil,
        name: String = "embedding"
    ) {
        self.count = count
        self.size = size
        self.embeddingsInitializer = embeddingsInitializer
        self.embeddingsRegularizer = embeddingsRegularizer
        self.name = name
    }

    /// Adds the layer. Records an error if the input has another type.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard context.areSizes([count, size], "the number and the size of vectors") else { return input }
        guard [.int32, .int64].contains(input.dtype) else { return context.failing("expected numbers of rows, int32 or int64, found \(input)") }
        let table = context.variable("embeddings", Shape(count, size), embeddingsInitializer, regularizer: embeddingsRegularizer)
        let rows = table.handle.gatherVariable(input, table.dtype)
        context.builder.refineShape(of: rows, input.shape.concatenating([size]))
        return rows
    }
}
