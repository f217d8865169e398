public import WeirGraph
public import WeirTensor

extension GraphBuilder {
    /// An initial value, uniform in ±sqrt(6 / (inputs + outputs)). It keeps the variance of activations and gradients from layer
    /// to layer. Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010.
    ///
    /// For a convolution's filter, `[height, width, channels, filters]`, each output has `height * width * channels` inputs.
    /// Records an error if no tensor can have the shape.
    public func glorotUniform(_ shape: Shape, seed: Int, _ dtype: DType = .float32) -> Output {
        let (inputs, outputs) = GraphBuilder.connections(shape)
        let limit = (6 / (inputs + outputs)).squareRoot()
        guard let uniform = random("RandomUniform", shape, seed, dtype) else { return scalar(0, dtype) }
        let scaled = add("Mul", [uniform, scalar(2 * limit, dtype)])[0]
        return add("Sub", [scaled, scalar(limit, dtype)])[0]
    }

    /// An initial value, normally distributed with the variance 2 / inputs, for layers that are followed by a ReLU. He et al.,
    /// *Delving Deep into Rectifiers*, 2015. TensorFlow's `he_normal`: values beyond two standard deviations are drawn again.
    ///
    /// Records an error if no tensor can have the shape.
    public func heNormal(_ shape: Shape, seed: Int, _ dtype: DType = .float32) -> Output {
        let (inputs, _) = GraphBuilder.connections(shape)
        guard let normal = random("TruncatedNormal", shape, seed, dtype) else { return scalar(0, dtype) }
        let deviation = (2 / max(inputs, 1)).squareRoot() / GraphBuilder.truncatedDeviation
        return add("Mul", [normal, scalar(deviation, dtype)])[0]
    }

    /// The standard deviation of a standard normal distribution that is cut at two standard deviations.
    static let truncatedDeviation = 0.879_625_661_034_239_78

    /// The number of inputs of an output and of outputs of an input, for weights of this shape. Keras's `compute_fans`.
    static func connections(_ shape: Shape) -> (inputs: Double, outputs: Double) {
        guard shape.rank > 1 else { return shape.rank == 0 ? (1, 1) : (Double(shape[0]), Double(shape[0])) }
        let field = Double(shape.count(..<(shape.rank - 2)))
        return (field * Double(shape[shape.rank - 2]), field * Double(shape[shape.rank - 1]))
    }

    /// Random numbers of the op, times a factor, plus an addend. Records an error if no tensor can have the shape.
    func scaledRandom(_ op: String, _ shape: Shape, seed: Int, _ dtype: DType, by factor: Double, plus addend: Double = 0) -> Output {
        guard let numbers = random(op, shape, seed, dtype) else { return scalar(0, dtype) }
        let scaled = add("Mul", [numbers, scalar(factor, dtype)])[0]
        return addend == 0 ? scaled : add("AddV2", [scaled, scalar(addend, dtype)])[0]
    }

    /// Random numbers of the op; nil, with an error, if no tensor can have the shape.
    func random(_ op: String, _ shape: Shape, _ seed: Int, _ dtype: DType) -> Output? {
        guard let dimensions = dimensions(of: shape) else { return nil }
        return add(op, [dimensions], attributes: ["dtype": .type(dtype), "seed": .int(seed), "seed2": .int(nodeCount)])[0]
    }

    /// A tensor filled with one value (op `Fill`). Records an error if no tensor can have the shape.
    public func filled(_ shape: Shape, with value: Double, _ dtype: DType = .float32) -> Output {
        guard let dimensions = dimensions(of: shape) else { return scalar(value, dtype) }
        return add("Fill", [dimensions, scalar(value, dtype)])[0]
    }

    /// A constant with the dimensions: `int32` or, if one is too large, `int64`. Records an error if no tensor can have the shape.
    private func dimensions(of shape: Shape) -> Output? {
        do throws(Status) { _ = try shape.validated() } catch {
            record(error)
            return nil
        }
        let narrow = shape.dimensions.compactMap { Int32(exactly: $0) }
        return constant(narrow.count == shape.rank ? Tensor(narrow) : Tensor(shape.dimensions.map { Int64($0) }))
    }
}
