public import WeirGraph
import WeirOps
public import WeirTensor

/// An autoencoder whose codes are random and distributed so that the decoder alone makes new rows. Kingma and Welling, *Auto-Encoding
/// Variational Bayes*, 2013.
///
/// The encoder computes mean and log variance of a normal distribution for each unit of the code. In training, the code is drawn from it:
/// `mean + exp(logVariance / 2) · noise`, so that gradients pass; in inference it is the mean. The decoder computes the mean of the features,
/// which are normally distributed about it with one variance for all; its logarithm is trained, too, so that no factor weighs the two parts
/// of the loss (Rybkin et al., *Simple and Effective VAE Training with Calibrated Decoders*, 2021).
///
/// ```swift
/// let network = VariationalAutoencoder(inputCount: 64, hidden: [64], code: 8)
/// let codes = try await VariationalAutoencoder.codes(count: 10, size: 8, seed: 1)
/// let made = try await model.evaluate(["predictions"], values: report.parameters, feeding: ["code": codes])
/// ```
public struct VariationalAutoencoder: Model {
    /// The number of features.
    public var inputCount: Int
    /// The numbers of units of the layers before the code; those after it are the same in the opposite order.
    public var hidden: [Int]
    /// The number of units of the code.
    public var code: Int
    /// The seed of the initial weights and of the codes that training draws.
    public var seed: Int
    /// The element type of features, variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(inputCount: Int, hidden: [Int] = [64], code: Int = 8, seed: Int = 1, dtype: DType = .float32) {
        self.inputCount = inputCount
        self.hidden = hidden
        self.code = code
        self.seed = seed
        self.dtype = dtype
    }

    /// `features`, of shape `[rows, inputCount]`. There are no labels.
    public var inputs: [ModelInput] { [ModelInput("features", dtype, [inputCount])] }

    /// Adds the layers `encoder1`, `encoder2`…, `code`, `decoder1`, `decoder2`… and `output`, and returns the means of the features. The outputs
    /// are `code`, `kl`, the Kullback-Leibler divergence of the codes' distributions from the standard normal one, in nats, and `log_variance`.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let layers = inputs.layers(seed: seed, dtype: dtype)
        let encoded = Sequential.encoder(hidden)(inputs["features"], layers)
        let drawn = layers.scope("code") {
            let mean = Dense(code, name: "mean")(encoded, layers), logVariance = Dense(code, name: "log_variance")(encoded, layers)
            let divergence = (logVariance.exp() + mean.square() - logVariance - 1).sum(axes: [1]).mean(axes: [0]) * 0.5
            inputs.addOutput("kl", divergence)
            return layers.isTraining ? mean + (logVariance * 0.5).exp() * layers.standardNormal(like: mean) : mean
        }
        inputs.addOutput("code", drawn)
        let decoded = Sequential.decoder(hidden)(drawn, layers)
        return layers.scope("output") {
            inputs.addOutput("log_variance", layers.variable("log_variance", .scalar, .zeros).value)
            return Dense(inputCount, name: "")(decoded, layers)
        }
    }

    /// The bound on the negative log-likelihood of a row, in nats: that of the features given the code, and the divergence of the code.
    public func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        let logVariance = inputs.output("log_variance")
        let distance = predictions.squaredDifference(inputs["features"]).sum(axes: [1]).mean(axes: [0])
        let logOfTwoPi = 1.837_877_066_409_345_3
        let reconstruction = (distance * (-logVariance).exp() + (logVariance + logOfTwoPi) * Double(inputCount)) * 0.5
        return reconstruction + inputs.output("kl")
    }

    /// `reconstruction_error`, the mean squared difference of reconstructions and features, and `kl`, the mean divergence of a row's code.
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        ["reconstruction_error": Loss.meanSquaredError(predictions, targets: inputs["features"]), "kl": inputs.output("kl")]
    }

    /// Codes drawn from the standard normal distribution, `float32` of shape `[count, size]`, for the decoder to make rows of.
    /// - Throws: `invalidArgument` for a negative count or size.
    public static func codes(count: Int, size: Int, seed: Int) async throws(Status) -> Tensor {
        try await Tensor.standardNormal(try Shape(validating: [count, size]), seed: seed)
    }
}
