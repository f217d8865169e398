public import WeirGraph
import WeirOps
import WeirTensor

/// Gives each channel the mean 0 and the variance 1 over a batch, then scales and shifts it. In inference, the moments are moving averages of
/// those in training. Ioffe and Szegedy, *Batch Normalization*, 2015. Keras's `BatchNormalization`.
///
/// The last dimension has the channels. Variables: `gamma` and `beta`, and `moving_mean` and `moving_variance`, which are not trained. Where a
/// strategy splits a batch, each part is normalized by its own moments.
public struct BatchNormalization: Layer {
    /// The weight of the moving averages, against those of a batch.
    public var momentum: Double
    /// What is added to the variance.
    public var epsilon: Double
    /// Whether `beta` is added.
    public var centers: Bool
    /// Whether `gamma` multiplies.
    public var scales: Bool
    /// How `beta` begins.
    public var betaInitializer: Initializer
    /// How `gamma` begins.
    public var gammaInitializer: Initializer
    /// How the moving mean begins.
    public var movingMeanInitializer: Initializer
    /// How the moving variance begins.
    public var movingVarianceInitializer: Initializer
    /// The layer's name scope.
    public var name: String

    /// Describes a layer.
    public init(
        momentum: Double = 0.99, epsilon: Double = 1e-3, centers: Bool = true, scales: Bool = true, betaInitializer: Initializer = .zeros,
        gammaInitializer: Initializer = .ones, movingMeanInitializer: Initializer = .zeros, movingVarianceInitializer: Initializer = .ones,
        name: String = "batch_normalization"
    ) {
        self.momentum = momentum
        self.epsilon = epsilon
        self.centers = centers
        self.scales = scales
        self.betaInitializer = betaInitializer
        self.gammaInitializer = gammaInitializer
        self.movingMeanInitializer = movingMeanInitializer
        self.movingVarianceInitializer = movingVarianceInitializer
        self.name = name
    }

    /// Adds the layer. Records an error if the number of channels is not known.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let channels = context.features(of: input), let rank = input.shape.rank else { return input }
        let shape = Shape(channels)
        let gamma = scales ? context.variable("gamma", shape, gammaInitializer) : nil
        let beta = centers ? context.variable("beta", shape, betaInitializer) : nil
        let movingMean = context.variable("moving_mean", shape, movingMeanInitializer)
        let movingVariance = context.variable("moving_variance", shape, movingVarianceInitializer)
        var mean = movingMean.value, variance = movingVariance.value
        if context.isTraining {
            let axes = Array(0..<rank - 1)
            mean = input.mean(axes: axes)
            variance = (input - mean).square().mean(axes: axes)
            for (average, moment) in [(movingMean, mean), (movingVariance, variance)] {
                let step = (average.value - moment.stopGradient()) * (1 - momentum)
                context.addUpdate(average.handle.assignSubVariable(step))
            }
        }
        let inverse = (variance + epsilon).rsqrt()
        let factor = gamma.map { inverse * $0.value } ?? inverse
        let offset = beta.map { $0.value - mean * factor } ?? -(mean * factor)
        return input * factor + offset
    }
}
