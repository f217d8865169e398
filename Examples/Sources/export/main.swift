// Trains a network, writes it as a SavedModel and as a frozen graph, reads both again, and records the training for TensorBoard.
import Weir

let directory = CommandLine.arguments.dropFirst().first ?? ".build/export"
let table = try Table.iris()
let network = DenseNetwork(inputCount: table.featureCount, hidden: [16], classCount: table.classes.count)
var options = try TrainingOptions(network, table: table, optimizer: Adam(learningRate: 0.02), stepCount: 100)
options.returnsParameters = true  // the report has the trained values
options.reportsDetails = true  // graph and weights, for the summaries
options.evaluationInterval = 25

// Event files with loss, accuracy, distributions of the weights, graph and hyper-parameters: `tensorboard --logdir .build/export/logs`.
let summaries = TrainingSummaries(directory: "\(directory)/logs", hyperparameters: ["optimizer": "adam", "learning_rate": 0.02])
let report = try await Trainer(options) { summaries.record($0) }.run()
try summaries.close()

// The model takes rows as the table has them: it standardizes them as the training did.
let fold = table.fold(0, of: options.foldCount, seed: UInt64(options.seed))
var model = try ServableModel(options.model, values: report.parameters, standardization: Standardization(training: fold.train))
model.columns = ModelColumns(table)  // weir predict takes columns by name, and prints the names of classes
try model.write(to: "\(directory)/model")
try model.writeFrozen(to: "\(directory)/frozen.pb")

let saved = try SavedModel(contentsOf: "\(directory)/model")
print(saved)
let found = try await saved.predict(["features": fold.test.featureTensor], in: saved.session())
guard let classes = try found["classes"]?.array(of: Int32.self) else { throw Status.internalError("the model has no output 'classes'") }
let accuracy = Double(zip(classes, fold.test.labels).count { $0 == $1 }) / Double(fold.test.rowCount)
print("the first row is of class \(saved.columns?.className(Int(classes[0])) ?? "unknown")")
print("accuracy on held-out rows: \(accuracy), in training \(report.testAccuracy)")

let frozen = try SavedModel(contentsOf: "\(directory)/frozen.pb")
let again = try await frozen.predict(["features": fold.test.featureTensor], in: frozen.session())
print("the frozen graph has \(frozen.graph.nodes.count) nodes")

// What is in the files of the variables.
for entry in try CheckpointFile("\(directory)/model").entries { print("\(entry.name): \(entry.dtype) \(entry.shape)") }

guard abs(accuracy - report.testAccuracy) < 1e-6, again["probabilities"] == found["probabilities"] else {
    throw Status.internalError("expected the same accuracy and the same probabilities, found \(accuracy), \(report.testAccuracy)")
}
