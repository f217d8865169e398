// Trains a model of one's own: its layers, its loss and its metrics. How its work is split is a strategy's business.
import Weir

/// A classifier of small images: residual convolutions with batch normalization (He et al., *Deep Residual Learning for Image Recognition*,
/// 2016), dropout, and a loss with label smoothing (Szegedy et al., *Rethinking the Inception Architecture*, 2016).
struct ResidualNetwork: Model {
    let classCount: Int
    let smoothing = 0.1

    // The tensors of a batch: each has the rows as a dimension before.
    var inputs: [ModelInput] { [ModelInput("features", .float32, [64]), ModelInput("labels", .int32)] }

    func predictions(_ inputs: ModelInputs) -> Output {
        /// A convolution, normalized, with a ReLU.
        func convolution(_ filters: Int, _ name: String) -> Sequential {
            Sequential(name: name) {
                Conv2D(filters, 3, padding: .same, usesBias: false, kernelInitializer: .heNormal)
                BatchNormalization(momentum: 0.9)
                Activation.relu
            }
        }
        // Layers are values. Their names are scopes; between those of the first level a strategy may cut the model.
        let network = Sequential {
            Reshape([8, 8, 1])
            convolution(16, "stem")
            for block in 1...2 {
                Residual(name: "block\(block)") { convolution(16, "convolution") }
            }
            GlobalAveragePool()
            Dropout(0.1)
            Dense(classCount, kernelRegularizer: .l2(1e-4), name: "output")
        }
        // Dropout and batch normalization do something else in training than in inference, so this is called twice, with the same variables.
        return network(inputs["features"], inputs.layers(seed: 1))
    }

    // The mean over the rows, so that a batch can be split.
    func loss(_ predictions: Output, _ inputs: ModelInputs) -> Output {
        Loss.categoricalCrossEntropy(predictions, targets: inputs["labels"].oneHot(depth: classCount), labelSmoothing: smoothing)
    }

    func metrics(_ predictions: Output, _ inputs: ModelInputs) -> [String: Output] {
        let labels = inputs["labels"]
        return [
            "accuracy": Metric.accuracy(predictions, labels: labels).value, "top2": Metric.topKAccuracy(predictions, labels: labels, k: 2).value,
            // Exponential of the mean log-probability of the right class.
            "likelihood": (-Loss.sparseCategoricalCrossEntropy(predictions, labels: labels)).exp(),
        ]
    }
}

let digits = try Table.digits()
let network = ResidualNetwork(classCount: digits.classes.count)
let model = try ModelGraph(network)
for variable in model.parameters { print("\(variable.name): \(variable.shape)") }

let options = TrainingOptions(model, table: digits, optimizer: Adam(learningRate: 0.005), stepCount: 400)
let report = try await Trainer(options).run()
for (name, value) in report.testMetrics.sorted(by: { $0.key < $1.key }) { print("\(name) \(value) on \(report.testRowCount) held-out images") }

guard report.testAccuracy > 0.93 else { throw Status.internalError("expected an accuracy above 0.93, found \(report.testAccuracy)") }
