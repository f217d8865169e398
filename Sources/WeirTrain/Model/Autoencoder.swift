public import WeirGraph
import WeirOps
public import WeirTensor

/// A network that reproduces its input through a layer of few units, the code: dense layers that become narrower, and wider again.
/// Hinton and Salakhutdinov, *Reducing the Dimensionality of Data with Neural Networks*, 2006.
///
/// With `noise`, the input is disturbed in training, and the undisturbed one is to be reproduced: a denoising autoencoder. Vincent et al.,
/// *Extracting and Composing Robust Features with Denoising Autoencoders*, 2008.
///
/// ```swift
/// let network = Autoencoder(inputCount: 64, hidden: [32], code: 8)         // 64-32-8-32-64
/// let options = try TrainingOptions(network, table: .digits(), optimizer: Adam(learningRate: 0.002), stepCount: 2000)
/// ```
/// The output `code` has the codes of the rows; fed in its place, they are decoded (`ModelGraph.evaluate`).
public struct Autoencoder: Model {
    /// The number of features.
    public var inputCount: Int
    /// The numbers of units of the layers before the code; those after it are the same in the opposite order.
    public var hidden: [Int]
    /// The number of units of the code.
    public var code: Int
    /// The standard deviation of the noise that is added to the features in training; 0 adds none.
    public var noise: Double
    /// The seed of the initial weights and the noise.
    public var seed: Int
    /// The element type of features, variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(inputCount: Int, hidden: [Int] = [32], code: Int = 8, noise: Double = 0, seed: Int = 1, dtype: DType = .float32) {
        self.inputCount = inputCount
        self.hidden = hidden
        self.code = code
        self.noise = noise
        self.seed = seed
        self.dtype = dtype
    }

    /// `features`, of shape `[rows, inputCount]`. There are no labels.
    public var inputs: [ModelInput] { [ModelInput("features", dtype, [inputCount])] }

    /// Adds the layers `noise`, if there is any, `encoder1`, `encoder2`…, `code`, `decoder1`, `decoder2`… and `output`, and returns the
    /// reconstructions.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let layers = inputs.layers(seed: seed, dtype: dtype)
        let disturbed = noise == 0 ? inputs["features"] : GaussianNoise(noise, name: "noise")(inputs["features"], layers)
        let code = Dense(code, name: "code")(Sequential.encoder(hidden)(disturbed, layers), layers)
        inputs.addOutput("code", code)
        return Dense(inputCount, name: "output")(Sequential.decoder(hidden)(code, layers), layers)
    }

    /// The mean squared difference of reconstructions and features.
    public func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { Loss.meanSquaredError(predictions, targets: inputs["features"]) }

    /// `reconstruction_error`: the mean squared difference of reconstructions and features, without noise.
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        ["reconstruction_error": Loss.meanSquaredError(predictions, targets: inputs["features"])]
    }
}

extension Sequential {
    /// The layers before a code, `encoder1`, `encoder2`…, with ReLU.
    static func encoder(_ hidden: [Int]) -> Sequential { stacked(hidden, "encoder") }
    /// The layers after a code, `decoder1`, `decoder2`…: those of the encoder in the opposite order.
    static func decoder(_ hidden: [Int]) -> Sequential { stacked(hidden.reversed(), "decoder") }

    private static func stacked(_ units: [Int], _ name: String) -> Sequential {
        Sequential { for (index, count) in units.enumerated() { Dense(count, activation: .relu, kernelInitializer: .heNormal, name: "\(name)\(index + 1)") } }
    }
}
