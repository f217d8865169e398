public import WeirGraph
public import WeirTensor

extension GraphBuilder {
    /// An initial value, uniform in ±sqrt(6 / (inputs + outputs)). It keeps the variance of activations and gradients from layer
    /// to layer. Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010.
    ///
    /// Records an error if no tensor can have the shape.
    public func glorotUniform(_ shape: Shape, seed: Int) -> Output {
        guard let dimensions = dimensions(of: shape) else { return scalar(0, .float32) }
        let fanIn = shape.rank > 1 ? shape.count(..<(shape.rank - 1)) : 1
        let fanOut = shape.rank > 0 ? shape[shape.rank - 1] : 1
        let limit = (6 / (Double(fanIn) + Double(fanOut))).squareRoot()
        let uniform = add(
            "RandomUniform", [dimensions], attributes: ["dtype": .type(.float32), "seed": .int(seed), "seed2": .int(nodeCount)])[0]
        let scaled = add("Mul", [uniform, scalar(2 * limit, .float32)])[0]
        return add("Sub", [scaled, scalar(limit, .float32)])[0]
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
