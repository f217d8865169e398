public import WeirGraph
public import WeirTensor

/// How a layer's variable begins. Keras's initializers, with Weir's random numbers: the same seed gives the same values on every device.
public struct Initializer: Sendable {
    /// Adds nodes that compute a value.
    public typealias Build = @Sendable (_ builder: GraphBuilder, _ shape: Shape, _ seed: Int, _ dtype: DType) -> Output
    /// Whether the value depends on the seed.
    public let isRandom: Bool
    private let build: Build

    /// An initializer of one's own.
    public init(isRandom: Bool, _ build: @escaping Build) {
        self.isRandom = isRandom
        self.build = build
    }

    /// Adds nodes that compute the initial value of a variable. Records an error if no tensor can have the shape.
    public func callAsFunction(_ shape: Shape, seed: Int, _ dtype: DType = .float32, in builder: GraphBuilder) -> Output {
        build(builder, shape, seed, dtype)
    }
}

extension Initializer {
    /// All elements are 0.
    public static let zeros = constant(0)
    /// All elements are 1.
    public static let ones = constant(1)
    /// All elements have one value.
    public static func constant(_ value: Double) -> Initializer {
        Initializer(isRandom: false) { builder, shape, _, dtype in builder.filled(shape, with: value, dtype) }
    }
    /// The elements of a tensor, which must have the variable's shape and type.
    public static func tensor(_ value: Tensor) -> Initializer {
        Initializer(isRandom: false) { builder, shape, _, dtype in
            guard value.shape == shape, value.dtype == dtype else {
                builder.record(
                    .invalidArgument("Initial value of '\(builder.scopeName)': expected \(dtype) of shape \(shape), found \(value.dtype) of \(value.shape)"))
                return builder.filled(shape, with: 0, dtype)
            }
            return builder.constant(value)
        }
    }
    /// Ones on the diagonal of a matrix, times `gain`. Records an error for another rank.
    public static func identity(gain: Double = 1) -> Initializer {
        Initializer(isRandom: false) { builder, shape, _, dtype in
            guard shape.rank == 2 else {
                builder.record(.invalidArgument("Initializer.identity is for matrices; the shape of '\(builder.scopeName)' is \(shape)"))
                return builder.filled(shape, with: 0, dtype)
            }
            let zeros = builder.filled(shape, with: 0, dtype)
            return builder.add("MatrixSetDiag", [zeros, builder.filled(Shape(min(shape[0], shape[1])), with: gain, dtype)])[0]
        }
    }

    /// Normally distributed.
    public static func randomNormal(mean: Double = 0, deviation: Double = 0.05) -> Initializer {
        Initializer(isRandom: true) { $0.scaledRandom("RandomStandardNormal", $1, seed: $2, $3, by: deviation, plus: mean) }
    }
    /// Normally distributed; values beyond two standard deviations are drawn again.
    public static func truncatedNormal(mean: Double = 0, deviation: Double = 0.05) -> Initializer {
        Initializer(isRandom: true) { $0.scaledRandom("TruncatedNormal", $1, seed: $2, $3, by: deviation, plus: mean) }
    }
    /// Uniform between two bounds.
    public static func randomUniform(from low: Double = -0.05, to high: Double = 0.05) -> Initializer {
        Initializer(isRandom: true) { $0.scaledRandom("RandomUniform", $1, seed: $2, $3, by: high - low, plus: low) }
    }

    /// The number of connections that the variance of initial values is divided by.
    public enum Fan: Sendable {
        /// The inputs of an output.
        case inputs
        /// The outputs of an input.
        case outputs
        /// The mean of both.
        case average
    }
    /// The distribution of initial values.
    public enum Distribution: Sendable {
        /// Normal, with values beyond two standard deviations drawn again, and scaled so that the variance is that which was asked for.
        case truncatedNormal
        /// Normal.
        case normal
        /// Uniform.
        case uniform
    }
    /// Random values with the mean 0 and the variance `scale / fan`. Keras's `VarianceScaling`.
    public static func varianceScaling(scale: Double = 1, _ fan: Fan = .inputs, _ distribution: Distribution = .truncatedNormal) -> Initializer {
        Initializer(isRandom: true) { builder, shape, seed, dtype in
            let (inputs, outputs) = GraphBuilder.connections(shape)
            let connections =
                switch fan {
                case .inputs: inputs
                case .outputs: outputs
                case .average: (inputs + outputs) / 2
                }
            let variance = scale / max(1, connections)
            switch distribution {
            case .truncatedNormal:
                let deviation = variance.squareRoot() / GraphBuilder.truncatedDeviation
                return builder.scaledRandom("TruncatedNormal", shape, seed: seed, dtype, by: deviation)
            case .normal: return builder.scaledRandom("RandomStandardNormal", shape, seed: seed, dtype, by: variance.squareRoot())
            case .uniform:
                let limit = (3 * variance).squareRoot()
                return builder.scaledRandom("RandomUniform", shape, seed: seed, dtype, by: 2 * limit, plus: -limit)
            }
        }
    }
    /// Uniform with the variance 2 / (inputs + outputs). Glorot and Bengio, *Understanding the difficulty of training deep feedforward
    /// neural networks*, 2010.
    public static let glorotUniform = Initializer(isRandom: true) { $0.glorotUniform($1, seed: $2, $3) }
    /// Normal with the variance 2 / (inputs + outputs), truncated.
    public static let glorotNormal = varianceScaling(.average, .truncatedNormal)
    /// Normal with the variance 2 / inputs, truncated, for layers that are followed by a ReLU. He et al., *Delving Deep into Rectifiers*,
    /// 2015.
    public static let heNormal = Initializer(isRandom: true) { $0.heNormal($1, seed: $2, $3) }
    /// Uniform with the variance 2 / inputs.
    public static let heUniform = varianceScaling(scale: 2, .inputs, .uniform)
    /// Normal with the variance 1 / inputs, truncated. LeCun et al., *Efficient BackProp*, 1998.
    public static let lecunNormal = varianceScaling(.inputs, .truncatedNormal)
    /// Uniform with the variance 1 / inputs.
    public static let lecunUniform = varianceScaling(.inputs, .uniform)

    /// A random matrix with orthogonal rows or columns, whichever are fewer, of length `gain`. Saxe et al., *Exact solutions to the
    /// nonlinear dynamics of learning in deep linear neural networks*, 2014. All dimensions but the last are the rows of the matrix.
    public static func orthogonal(gain: Double = 1) -> Initializer {
        Initializer(isRandom: true) { $0.orthogonal($1, seed: $2, $3, gain: gain) }
    }

    /// The bias of an LSTM: ones for the forget gate, which is the second of four, and zeros. Jozefowicz et al., *An Empirical Exploration
    /// of Recurrent Network Architectures*, 2015. Records an error if the shape is not that of a vector for four gates.
    public static let unitForgetBias = Initializer(isRandom: false) { builder, shape, _, dtype in
        guard shape.rank == 1, shape[0] % 4 == 0, shape[0] > 0 else {
            builder.record(.invalidArgument("Initializer.unitForgetBias is for vectors of four gates; the shape of '\(builder.scopeName)' is \(shape)"))
            return builder.filled(shape, with: 0, dtype)
        }
        let units = shape[0] / 4
        let parts = [(units, 0.0), (units, 1), (2 * units, 0)].map { builder.filled(Shape($0.0), with: $0.1, dtype) }
        return builder.concatenated(parts, axis: 0)
    }
}
