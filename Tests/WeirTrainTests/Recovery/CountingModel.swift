import Weir
import WeirGraph

/// A model whose gradients are 1, whatever the rows: with gradient descent of learning rate 1, each of its two variables is the negative
/// number of the updates that were applied to it.
struct CountingModel: Model {
    let inputs = [ModelInput("features", .float32, [1])]

    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let counts = ["a", "b"].map { name in builder.variable(name) { builder.filled([1], with: 0) }.value }
        return inputs["features"] * 0 + counts[0] + counts[1]
    }
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output { predictions.mean(axes: [0, 1]) }

    static func rows() throws -> Dataset { try Dataset(["features": Tensor((0..<16).map(Float.init), ofShape: [16, 1])]) }
}
