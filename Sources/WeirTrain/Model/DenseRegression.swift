public import WeirGraph
import WeirOps
public import WeirTensor

/// A network of dense layers with ReLU between them that predicts a number for each row.
///
/// ```swift
/// let rows = try Dataset(targetsOf: Table(csvFile: "houses.csv", label: "price"))
/// let network = try DenseRegression(rows: rows, hidden: [32, 16])
/// let options = try TrainingOptions(network, data: .standardized(rows), optimizer: Adam(learningRate: 0.01))
/// ```
/// It learns numbers of mean 0 and deviation 1, which become the targets' own by `mean` and `scale`: so one learning rate suits prices and
/// probabilities.
public struct DenseRegression: Model {
    /// The number of features.
    public var inputCount: Int
    /// The number of units of each hidden layer.
    public var hidden: [Int]
    /// The mean of the numbers to predict.
    public var mean: Double
    /// Their standard deviation.
    public var scale: Double
    /// The seed of the initial weights.
    public var seed: Int

    /// Describes a network.
    public init(inputCount: Int, hidden: [Int] = [32, 16], mean: Double = 0, scale: Double = 1, seed: Int = 1) {
        self.inputCount = inputCount
        self.hidden = hidden
        self.mean = mean
        self.scale = scale
        self.seed = seed
    }

    /// Describes a network for rows with the columns `features` and `targets`, of which it takes the mean and deviation.
    /// - Throws: `invalidArgument` when a column is missing or has no numbers; the error of a file.
    public init(rows: Dataset, hidden: [Int] = [32, 16], seed: Int = 1) throws(Status) {
        let moments = try rows.moments(of: "targets")
        self.init(
            inputCount: try rows.column("features").shape.elementCount, hidden: hidden, mean: Double(moments.means.first ?? 0),
            scale: Double(moments.scale), seed: seed)
    }

    /// `features`, of shape `[rows, inputCount]`, and `targets`, of shape `[rows]`.
    public var inputs: [ModelInput] { [ModelInput("features", .float32, [inputCount]), ModelInput("targets", .float32)] }

    /// Adds the layers `hidden1`, `hidden2`… and `output`, and returns the numbers, of shape `[rows]`.
    public func predictions(_ inputs: ModelInputs) -> Output {
        let network = Sequential {
            for (index, units) in hidden.enumerated() { Dense(units, activation: .relu, name: "hidden\(index + 1)") }
            Dense(1, name: "output")
        }
        let rows = network(inputs["features"], inputs.layers(seed: seed, firstSeed: 0))
        return inputs.builder.nameScope("units") { rows.reshaped(to: [-1]) * scale + mean }
    }

    /// The mean squared error, in units of the targets' variance.
    public func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        ((predictions - inputs["targets"]) / scale).square().mean(axes: [0])
    }

    /// `error`: the mean squared error as a share of the targets' variance. 0 is exact; 1 is no better than their mean.
    public func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] { ["error": loss(predictions, inputs)] }
}
