public import WeirGraph
import WeirOps
import WeirTensor

/// Gives the last dimension of each row the mean 0 and the variance 1, then scales and shifts it. Ba, Kiros and Hinton, *Layer
/// Normalization*, 2016. Keras's `LayerNormalization`.
///
/// Variables: `gamma` and `beta`, of the size of the last dimension.
public struct LayerNormalization: Layer {
    /// What is added to the variance, which is 0 for numbers that are all equal.
    public var epsilon: Double
    /// Whether `beta` is added.
    public var centers: Bool
    /// Whether `gamma` multiplies.
    public var scales: Bool
    /// How `beta` begins.
    public var betaInitializer: Initializer
    /// How `gamma` begins.
    public var gammaInitializer: Initializer
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        epsilon: Double = 1e-3, centers: Bool = true, scales: Bool = true, betaInitializer: Initializer = .zeros,
        gammaInitializer: Initializer = .ones, name: String = "layer_normalization"
    ) {
        self.epsilon = epsilon
        self.centers = centers
        self.scales = scales
        self.betaInitializer = betaInitializer
        self.gammaInitializer = gammaInitializer
        self.name = name
    }

    /// Adds the layer. Records an error if the size of the last dimension is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let features = context.features(of: input) else { return input }
        let gamma = scales ? context.variable("gamma", Shape(features), gammaInitializer) : nil
        let beta = centers ? context.variable("beta", Shape(features), betaInitializer) : nil
        let centered = input - input.mean(axes: [-1], keepDimensions: true)
        let variance = centered.square().mean(axes: [-1], keepDimensions: true)
        let normalized = centered * (variance + epsilon).rsqrt()
        let scaled = gamma.map { normalized * $0.value } ?? normalized
        return beta.map { scaled + $0.value } ?? scaled
    }
}
