public import WeirGraph
public import WeirTensor

/// A classifier of sequences: LSTM layers, of which the last step's output goes to the output layer. Hochreiter and Schmidhuber, *Long Short-Term
/// Memory*, 1997.
///
/// The features of a row are `stepCount` steps of `stepSize` numbers each, such as the rows of a small image.
///
/// ```swift
/// let digits = try Table.digits()
/// let network = RecurrentNetwork(stepCount: 8, stepSize: 8, classCount: 10)
/// let options = try TrainingOptions(network, table: digits, optimizer: Adam(learningRate: 0.005).clipped(.globalNorm(1)), stepCount: 600)
/// ```
public struct RecurrentNetwork: Classifier {
    /// The number of steps of a row.
    public var stepCount: Int
    /// The number of features of a step.
    public var stepSize: Int
    /// The number of units of each LSTM layer.
    public var units: [Int]
    /// The number of classes.
    public var classCount: Int
    /// The seed of the initial weights.
    public var seed: Int
    /// The element type of features, variables and activations: `float32` or `float64`.
    public var dtype: DType

    /// Describes a network.
    public init(stepCount: Int, stepSize: Int, units: [Int] = [64], classCount: Int, seed: Int = 1, dtype: DType = .float32) {
        self.stepCount = stepCount
        self.stepSize = stepSize
        self.units = units
        self.classCount = classCount
        self.seed = seed
        self.dtype = dtype
    }

    /// `features`, of shape `[rows, stepCount * stepSize]`, and `labels`, of shape `[rows]`.
    public var inputs: [ModelInput] { [ModelInput("features", dtype, [Shape(stepCount, stepSize).elementCount]), ModelInput("labels", .int32)] }

    /// Adds the layers `lstm1`, `lstm2`… and `output`, and returns the logits. Records an error if the sizes are not those of a network.
    public func predictions(_ inputs: ModelInputs) -> Output {
        guard !units.isEmpty, ([stepCount, stepSize, classCount] + units).allSatisfy({ (1...greatestLayerSize).contains($0) }) else {
            return inputs.builder.failing(
                "RecurrentNetwork: steps, step size, units and classes must be between 1 and \(greatestLayerSize); found \(stepCount), \(stepSize), "
                    + "\(units) and \(classCount)")
        }
        let network = Sequential {
            for (index, count) in units.enumerated() {
                Sequential(name: "lstm\(index + 1)") {
                    if index == 0 { Reshape([stepCount, stepSize], name: "") }
                    LSTM(count, returnsSequences: index + 1 < units.count, name: "")
                }
            }
            Dense(classCount, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: seed, dtype: dtype))
    }
}
