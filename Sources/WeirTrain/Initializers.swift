public import WeirGraph
public import WeirTensor

extension GraphBuilder {
    /// An initial value, uniform in ±sqrt(6 / (inputs + outputs)). It keeps the variance of activations and gradients from layer
    /// to layer. Glorot and Bengio, *Understanding the difficulty of training deep feedforward neural networks*, 2010.
    public func glorotUniform(_ shape: Shape, seed: Int) -> Output {
        let fanIn = shape.rank > 1 ? shape.count(..<(shape.rank - 1)) : 1
        let fanOut = shape.rank > 0 ? shape[shape.rank - 1] : 1
        let limit = (6 / Double(fanIn + fanOut)).squareRoot()
        let uniform = add(
            "RandomUniform", [constant(Tensor(shape.dimensions.map { Int32($0) }))],
            attributes: ["dtype": .type(.float32), "seed": .int(seed), "seed2": .int(nodeCount)])[0]
        let scaled = add("Mul", [uniform, scalar(2 * limit, .float32)])[0]
        return add("Sub", [scaled, scalar(limit, .float32)])[0]
    }

    /// A tensor filled with one value (op `Fill`).
    public func filled(_ shape: Shape, with value: Double, _ dtype: DType = .float32) -> Output {
        add("Fill", [constant(Tensor(shape.dimensions.map { Int32($0) })), scalar(value, dtype)])[0]
    }
}
