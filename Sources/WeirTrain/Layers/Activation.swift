public import WeirGraph
import WeirOps

/// An activation function. It is a layer too: `Sequential { Dense(8); Activation.relu }`.
public struct Activation: Layer {
    /// The name: Keras's.
    public var name: String
    private let function: @Sendable (Output) -> Output

    /// A function of one's own, of outputs of any shape.
    public init(_ name: String, _ function: @escaping @Sendable (Output) -> Output) {
        self.name = name
        self.function = function
    }

    /// The function's value.
    public func callAsFunction(_ input: Output) -> Output { function(input) }
    /// Adds the function.
    public func call(_ input: Output, _ context: LayerContext) -> Output { function(input) }
}

extension Activation {
    /// `x`.
    public static let linear = Activation("linear") { $0 }
    /// `max(x, 0)`.
    public static let relu = Activation("relu") { $0.relu() }
    /// `min(max(x, 0), 6)`.
    public static let relu6 = Activation("relu6") { $0.relu6() }
    /// `x` if it is positive, otherwise `slope * x`: Maas et al., *Rectifier Nonlinearities Improve Neural Network Acoustic Models*, 2013.
    public static func leakyRelu(slope: Double = 0.2) -> Activation { Activation("leaky_relu") { $0.leakyRelu(alpha: Float(slope)) } }
    /// `x` if it is positive, otherwise `exp(x) - 1`: Clevert et al., *Fast and Accurate Deep Network Learning by Exponential Linear
    /// Units*, 2016.
    public static let elu = Activation("elu") { $0.elu() }
    /// The scaled exponential linear unit: Klambauer et al., *Self-Normalizing Neural Networks*, 2017.
    public static let selu = Activation("selu") { $0.selu() }
    /// The Gaussian error linear unit, `x Φ(x)`: Hendrycks and Gimpel, *Gaussian Error Linear Units*, 2016.
    public static let gelu = Activation("gelu") { input in
        let erf = input.builder.add("Erf", [input * 0.5.squareRoot()])[0]
        return input * 0.5 * (erf + 1)
    }
    /// The approximation of `gelu` with a hyperbolic tangent, as in GPT-2. Keras's `gelu(x, approximate=True)`.
    public static let approximateGelu = Activation("gelu") { input in
        let factor = (2 / Double.pi).squareRoot()
        let inner = (input + input * input * input * 0.044715) * factor
        return input * 0.5 * (inner.tanh() + 1)
    }
    /// `1 / (1 + exp(-x))`.
    public static let sigmoid = Activation("sigmoid") { $0.sigmoid() }
    /// The hyperbolic tangent.
    public static let tanh = Activation("tanh") { $0.tanh() }
    /// `log(1 + exp(x))`.
    public static let softplus = Activation("softplus") { $0.softplus() }
    /// `x / (1 + |x|)`.
    public static let softsign = Activation("softsign") { $0.softsign() }
    /// `x sigmoid(x)`: Ramachandran et al., *Searching for Activation Functions*, 2017. Keras's `silu`.
    public static let swish = Activation("silu") { $0 * $0.sigmoid() }
    /// `relu6(x + 3) / 6`.
    public static let hardSigmoid = Activation("hard_sigmoid") { ($0 + 3).relu6() * (1.0 / 6) }
    /// `x hardSigmoid(x)`: Howard et al., *Searching for MobileNetV3*, 2019. Keras's `hard_silu`.
    public static let hardSwish = Activation("hard_silu") { $0 * (($0 + 3).relu6() * (1.0 / 6)) }
    /// `x tanh(softplus(x))`: Misra, *Mish: A Self Regularized Non-Monotonic Activation Function*, 2019.
    public static let mish = Activation("mish") { $0 * $0.softplus().tanh() }
    /// `exp(x)`.
    public static let exponential = Activation("exponential") { $0.exp() }
    /// Probabilities along the last dimension.
    public static let softmax = Activation("softmax") { $0.softmax() }
    /// Logarithms of probabilities along the last dimension.
    public static let logSoftmax = Activation("log_softmax") { $0.logSoftmax() }
}
