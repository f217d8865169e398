public import WeirGraph
import WeirOps
import WeirTensor

/// In training, adds normally distributed noise with the mean 0. In inference it does nothing. Keras's `GaussianNoise`.
///
/// Each copy of the model in a graph, and each worker, draws numbers of its own; all follow from the model's seed.
public struct GaussianNoise: Layer {
    /// The noise's standard deviation, at least 0.
    public var deviation: Double
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(_ deviation: Double, name: String = "gaussian_noise") {
        self.deviation = deviation
        self.name = name
    }

    /// Adds the layer. Records an error if the deviation is negative, not finite, or the input has no floating type.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard deviation >= 0, deviation.isFinite else { return context.failing("the standard deviation must be at least 0, found \(deviation)") }
        guard input.dtype.isFloating else { return context.failing("expected an input of a floating type, found \(input)") }
        guard context.isTraining, deviation > 0 else { return input }
        return input + context.standardNormal(like: input) * deviation
    }
}

extension LayerContext {
    /// Normally distributed numbers with the mean 0 and the deviation 1, in the shape of an output, drawn anew in each step.
    func standardNormal(like input: Output) -> Output {
        let normal = builder.add(
            "RandomStandardNormal", [input.shapeTensor()],
            attributes: ["dtype": .type(input.dtype), "seed": .int(nextSeed()), "seed2": .int(builder.nodeCount)])[0]
        builder.refineShape(of: normal, input.shape)
        return normal
    }
}
