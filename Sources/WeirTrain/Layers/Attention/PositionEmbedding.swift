import Glibc
public import WeirGraph
import WeirOps
import WeirTensor

/// Adds a trained vector for each position: `[rows, positions, features]` keeps its shape. Gehring et al., *Convolutional Sequence to Sequence
/// Learning*, 2017. KerasHub's `PositionEmbedding`.
///
/// Variable: `position_embeddings`, of shape `[positions, features]`.
public struct PositionEmbedding: Layer {
    /// How the vectors begin.
    public var embeddingsInitializer: Initializer
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(embeddingsInitializer: Initializer = .glorotUniform, name: String = "position_embedding") {
        self.embeddingsInitializer = embeddingsInitializer
        self.name = name
    }
    /// Adds the layer. Records an error if the number of positions is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let sizes = context.sizes(of: input, count: 2, "[rows, positions, features]"), context.areSizes(sizes, "positions and features") else {
            return input
        }
        return input + context.variable("position_embeddings", Shape(sizes), embeddingsInitializer).value
    }
}

/// Adds sines and cosines of the position, with wave lengths from 2π to 10000 · 2π: `[rows, positions, features]` keeps its shape. Vaswani et
/// al., *Attention Is All You Need*, 2017. KerasHub's `SinePositionEncoding`. It has no variables.
public struct SinePositionEncoding: Layer {
    /// The longest wave, divided by 2π.
    public var maximumWavelength: Double
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(maximumWavelength: Double = 10_000, name: String = "sine_position_encoding") {
        self.maximumWavelength = maximumWavelength
        self.name = name
    }
    /// Adds the layer. Records an error if the number of positions is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let sizes = context.sizes(of: input, count: 2, "[rows, positions, features]"), context.areSizes(sizes, "positions and features") else {
            return input
        }
        guard maximumWavelength > 0 else { return context.failing("the longest wave must be positive, found \(maximumWavelength)") }
        let builder = context.builder, dtype = input.dtype
        // Features 2k and 2k + 1 are the sine and the cosine of position / wavelength^(2k / features).
        let features = builder.range(0, sizes[1]).cast(to: .float64)
        let isOdd = features - (features * 0.5).floor() * 2
        let rates = ((features - isOdd) * (-Glibc.log(maximumWavelength) / Double(sizes[1]))).exp()
        let angles = builder.range(0, sizes[0]).cast(to: .float64).reshaped(to: [sizes[0], 1]) * rates
        let encoding = angles.sin() * (1 - isOdd) + angles.cos() * isOdd
        return input + encoding.cast(to: dtype)
    }
}
