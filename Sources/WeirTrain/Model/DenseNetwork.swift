public import WeirGraph
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
        let network = Sequential {
            for (index, units) in hidden.enumerated() { Dense(units, activation: .relu, name: "hidden\(index + 1)") }
            Dense(classCount, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: seed, firstSeed: 0))
    }
}
