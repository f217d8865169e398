// Trains a model of one's own: its layers, its loss and its metrics. How its work is split is a strategy's business.
import Weir

/// A classifier with residual layers, and a loss with label smoothing: Szegedy et al., *Rethinking the Inception Architecture*,
/// 2016.
struct ResidualNetwork: Model {
    let featureCount: Int
    let classCount: Int
    let width = 32
    let blockCount = 2
    let smoothing = 0.1

    // The tensors of a batch: each has the rows as a dimension before.
    var inputs: [ModelInput] { [ModelInput("features", .float32, [featureCount]), ModelInput("labels", .int32)] }

    func predictions(_ inputs: ModelInputs) -> Output {
        let builder = inputs.builder
        /// A dense layer with variables in the current name scope.
        func dense(_ input: Output, _ inputCount: Int, _ units: Int, seed: Int) -> Output {
            let weights = builder.variable("weights") { builder.glorotUniform([inputCount, units], seed: seed) }
            let biases = builder.variable("biases") { builder.filled([units], with: 0) }
            return input.matMul(weights.value).biasAdd(biases.value)
        }
        // Name scopes of the first level are the layers, between which a strategy may cut the model.
        var value = builder.nameScope("input") { dense(inputs["features"], featureCount, width, seed: 1).relu() }
        for block in 1...blockCount {
            value = builder.nameScope("block\(block)") { value + dense(value, width, width, seed: 1 + block).relu() }
        }
        return builder.nameScope("output") { dense(value, width, classCount, seed: 9) }
    }

    // The mean over the rows, so that a batch can be split.
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        let rest = smoothing / Double(classCount)
        let targets = inputs["labels"].oneHot(depth: classCount, on: 1 - smoothing + rest, off: rest)
        return predictions.softmaxCrossEntropy(labels: targets).mean()
    }

    func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        let isRight = predictions.argMax(axis: 1, outputType: .int32).equal(inputs["labels"])
        // Exponential of the mean log-probability of the right class.
        let likelihood = (-predictions.sparseSoftmaxCrossEntropy(labels: inputs["labels"]).mean()).exp()
        return ["accuracy": isRight.cast(to: .float32).mean(), "likelihood": likelihood]
    }
}

let digits = try Table.digits()
let network = ResidualNetwork(featureCount: digits.featureCount, classCount: digits.classes.count)
let model = try ModelGraph(network)
for variable in model.parameters { print("\(variable.name): \(variable.shape)") }

let options = TrainingOptions(model, table: digits, optimizer: Adam(learningRate: 0.005), stepCount: 400)
let report = try await Trainer(options).run()
print("accuracy \(report.testAccuracy), likelihood \(report.testMetrics["likelihood"] ?? .nan) on \(report.testRowCount) held-out images")

guard report.testAccuracy > 0.93 else { throw Status.internalError("expected an accuracy above 0.93, found \(report.testAccuracy)") }
