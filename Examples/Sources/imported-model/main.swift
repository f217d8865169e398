// Trains a graph that TensorFlow wrote: its gradients are Weir's, and a strategy splits its work.
import Weir

// `classifier.pbtxt` is next to this file; its header says how it was made. It has variables, their initial values and a loss;
// an optimizer would not be used. Binary files, meta graphs and saved models are read in the same way.
let path = CommandLine.arguments.dropFirst().first ?? String(#filePath.dropLast("main.swift".count)) + "classifier.pbtxt"

// The names of the tensors: which placeholder gets what of a table, and what the loss is.
let inputs = ["features": "x", "labels": "y"]
let model = try ModelGraph(contentsOf: path, loss: "loss", inputs: inputs, predictions: "logits")
for variable in model.parameters { print("\(variable.name): \(variable.shape)") }

// Each device of this process computes the gradient of half of the rows.
var options = TrainingOptions(model, table: try .iris(), strategy: InGraphReplication(), optimizer: Adam(learningRate: 0.02), stepCount: 150, batchSize: 16)
options.devices = ["/cpu:0", "/cpu:1"]
let report = try await Trainer(options).run()
print("accuracy \(report.testAccuracy) on \(report.testRowCount) held-out rows")

// A name that the graph does not have is told with names that are near.
do {
    _ = try ModelGraph(contentsOf: path, loss: "los", inputs: inputs)
    throw Status.internalError("a loss that the graph does not have must be refused")
} catch {
    let status = Status(error)
    guard status.code == .notFound else { throw status }
    print(status.message)
}

guard report.testAccuracy >= 0.9 else { throw Status.internalError("expected an accuracy of 0.9, found \(report.testAccuracy)") }
