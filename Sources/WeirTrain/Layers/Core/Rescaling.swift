public import WeirGraph
import WeirOps
import WeirTensor

/// `x * scale + offset`, for example for bytes of images. Integers become the model's element type. Keras's `Rescaling`.
public struct Rescaling: Layer {
    /// The factor.
    public var scale: Double
    /// The addend.
    public var offset: Double
    /// The layer's name scope.
    public var name: String
    /// Describes a layer.
    public init(_ scale: Double, offset: Double = 0, name: String = "rescaling") {
        self.scale = scale
        self.offset = offset
        self.name = name
    }

    /// Adds the layer.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        let scaled = (input.dtype == context.dtype ? input : input.cast(to: context.dtype)) * scale
        return offset == 0 ? scaled : scaled + offset
    }
}

/// `(x - mean) / deviation` for each feature, with moments that are known before the training. Keras's `Normalization`.
public struct Normalization: Layer {
    /// The mean of each feature, or of all.
    public var means: [Double]
    /// The variance of each feature, or of all.
    public var variances: [Double]
    /// The layer's name scope.
    public var name: String

    /// Describes a layer. One mean, or one variance, is that of all features.
    public init(means: [Double], variances: [Double], name: String = "normalization") {
        self.means = means
        self.variances = variances
        self.name = name
    }

    /// Adds the layer. Records an error if the moments are not those of the input's features.
    public func call(_ input: Output, _ context: LayerContext) -> Output {
        guard let features = context.features(of: input) else { return input }
        guard [1, features].contains(means.count), [1, features].contains(variances.count), variances.allSatisfy({ $0 >= 0 }) else {
            return context.failing(
                "expected a mean and a variance of at least 0 for each of \(features) features, or one; found \(means.count) and \(variances.count)")
        }
        let dtype = context.dtype, builder = context.builder
        let centered = (input.dtype == dtype ? input : input.cast(to: dtype)) - builder.constant(Tensor(means)).cast(to: dtype)
        // Keras's epsilon, for features that are all equal.
        return centered / builder.constant(Tensor(variances.map { max($0.squareRoot(), 1e-7) })).cast(to: dtype)
    }
}
