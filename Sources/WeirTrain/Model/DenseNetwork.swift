public import WeirGraph
import WeirOps
import WeirTensor

/// A classifier of dense layers with ReLU between them.
public struct DenseNetwork: Classifier {
    /// The number of features.
    public var inputCount: Int
    /// The number of units of each hidden layer.
    public var hidden: [Int]
    /// The number of classes.
    public var classCount: Int
    /// The seed of the initial weights.
    public var seed: Int

    /// Describes a network.
    public init(inputCount: Int, hidden: [Int] = [10, 20, 20, 20, 10], classCount: Int, seed: Int = 1) {
        self.inputCount = inputCount
        self.hidden = hidden
        self.classCount = classCount
        self.seed = seed
    }

    /// `features`, of shape `[rows, inputCount]`, and `labels`, of shape `[rows]`.
    public var inputs: [ModelInput] { [ModelInput("features", .float32, [inputCount]), ModelInput("labels", .int32)] }

    /// Adds the layers `hidden1`, `hidden2`… and `output`, and returns the logits.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        let sizes = [inputCount] + hidden + [classCount]
        var value = inputs["features"]
        for index in 0..<sizes.count - 1 {
            let isLast = index == hidden.count
            value = builder.nameScope(isLast ? "output" : "hidden\(index + 1)") {
                let weights = builder.variable("weights") {
                    builder.glorotUniform(Shape(sizes[index], sizes[index + 1]), seed: seed &* 1000 &+ index)
                }
                let biases = builder.variable("biases") { builder.filled(Shape(sizes[index + 1]), with: 0) }
                let sum = value.matMul(weights.value).biasAdd(biases.value)
                return isLast ? sum : sum.relu()
            }
        }
        return value
    }
}
