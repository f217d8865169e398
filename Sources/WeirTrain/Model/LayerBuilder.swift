import WeirGraph
import WeirOps
import WeirTensor

/// Builds the layers of a network: declares their variables and adds their ops, in the builder's current name scope.
///
/// Each variable has a seed of its own, which follows from the network's seed and the number of variables before it.
struct LayerBuilder {
    /// The layers' builder.
    let builder: GraphBuilder
    /// The element type of variables and activations.
    let dtype: DType
    private let seed: Int
    private var variableCount = 0

    init(_ builder: GraphBuilder, dtype: DType, seed: Int) {
        self.builder = builder
        self.dtype = dtype
        self.seed = seed
    }

    /// How the weights of a layer are initialized.
    enum Weights {
        /// For layers that are followed by a ReLU.
        case heNormal
        /// For all others.
        case glorotUniform
    }

    private mutating func weights(_ name: String, _ shape: Shape, _ weights: Weights) -> Output {
        variableCount += 1
        let number = seed &* 1000 &+ variableCount
        return builder.variable(name) {
            switch weights {
            case .heNormal: builder.heNormal(shape, seed: number, dtype)
            case .glorotUniform: builder.glorotUniform(shape, seed: number, dtype)
            }
        }.value
    }

    private func filled(_ name: String, _ shape: Shape, with value: Double) -> Output {
        builder.variable(name) { builder.filled(shape, with: value, dtype) }.value
    }

    /// A dense layer: `[rows, inputs]` becomes `[rows, units]`.
    mutating func dense(_ input: Output, inputs: Int, units: Int, _ initial: Weights = .glorotUniform) -> Output {
        let product = input.matMul(weights("weights", Shape(inputs, units), initial))
        return product.biasAdd(filled("biases", Shape(units), with: 0))
    }

    /// A convolution with stride 1 that keeps height and width: `[images, height, width, channels]` becomes
    /// `[images, height, width, filters]`.
    mutating func convolution(_ images: Output, channels: Int, filters: Int, size: Int) -> Output {
        let sum = images.conv2D(weights("weights", Shape(size, size, channels, filters), .heNormal))
        return sum.biasAdd(filled("biases", Shape(filters), with: 0))
    }

    /// A table of vectors, one for each position: `[positions, width]`.
    mutating func positions(_ count: Int, width: Int) -> Output { weights("positions", Shape(count, width), .glorotUniform) }

    /// Layer normalization over the last dimension, of `width` elements: Ba, Kiros and Hinton, *Layer Normalization*, 2016.
    func normalized(_ input: Output, width: Int) -> Output {
        let centered = input - input.mean(axes: [-1], keepDimensions: true)
        let variance = centered.square().mean(axes: [-1], keepDimensions: true)
        // Of numbers that are all equal, the variance is 0.
        let normalized = centered * (variance + 1e-6).rsqrt()
        return normalized * filled("scale", Shape(width), with: 1) + filled("offset", Shape(width), with: 0)
    }

    /// The Gaussian error linear unit, `x Φ(x)`: Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016.
    func gelu(_ input: Output) -> Output {
        let erf = builder.add("Erf", [input * 0.5.squareRoot()])[0]
        return input * 0.5 * (erf + 1)
    }
}
