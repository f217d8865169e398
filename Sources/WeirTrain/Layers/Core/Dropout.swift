public import WeirGraph
import WeirOps
import WeirTensor

/// In training, sets each element to 0 with the probability `rate`, and divides the others by `1 - rate`. In inference it does nothing.
/// Srivastava et al., *Dropout: A Simple Way to Prevent Neural Networks from Overfitting*, 2014. Keras's `Dropout`.
public struct Dropout: Layer {
    /// The probability that an element is dropped, at least 0 and less than 1.
    public var rate: Double
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(_ rate: Double, name: String = "dropout") {
        self.rate = rate
        self.name = name
    }

    /// Adds the layer. Records an error if the rate is not a probability.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard rate >= 0, rate < 1 else { return context.failing("the rate must be at least 0 and less than 1, found \(rate)") }
        guard context.isTraining, rate > 0 else { return input }
        let builder = context.builder, seed = context.nextSeed()
        let uniform = builder.add(
            "RandomUniform", [input.shapeTensor()],
            attributes: ["dtype": .type(input.dtype), "seed": .int(seed), "seed2": .int(builder.nodeCount)])[0]
        builder.refineShape(of: uniform, input.shape)
        return input * (uniform.greaterEqual(rate).cast(to: input.dtype) * (1 / (1 - rate)))
    }
}
