// Trains three networks at the same time, each on rows of its own, and combines them into one model, which is saved and read again.
import Weir

let directory = CommandLine.arguments.dropFirst().first ?? ".build/ensemble"
let table = try Table.iris()
let (features, classes) = (table.featureCount, table.classes.count)

/// A network with hidden layers of these sizes. A member's part of the rows has 30.
func member(_ name: String, hidden: [Int], seed: Int, rate: Double) throws -> EnsembleMember {
    let network = DenseNetwork(inputCount: features, hidden: hidden, classCount: classes, seed: seed)
    return try EnsembleMember(name, network, optimizer: Adam(learningRate: .constant(rate)), batchSize: 30)
}
let members = [
    try member("small", hidden: [8], seed: 1, rate: 0.02), try member("wide", hidden: [32], seed: 2, rate: 0.02),
    try member("deep", hidden: [16, 16], seed: 3, rate: 0.01),
]
// Without servers, all train in this process. One fifth of the rows is held out, on which all are tested.
let report = try await EnsembleTrainer(members, table: table, directory: directory).run()
for member in report.members { print("\(member.name): accuracy \(member.accuracy), trained on \(member.trainedRowCount ?? 0) rows") }
for combination in report.combinations { print("\(combination.name): accuracy \(combination.accuracy)") }

// The saved model by itself: a SavedModel with the variables of all members, which TensorFlow loads too.
let model = try SavedModel(contentsOf: report.model)
let session = try await model.session()
let rows: [[Float]] = [[5.1, 3.5, 1.4, 0.2], [6.7, 3.0, 5.2, 2.3]]
let found = try await model.predict(["features": rows.tensor(.float32)], in: session)
guard let probabilities = found["probabilities"], let numbers = found["classes"] else { throw Status.internalError("an output is missing: \(model)") }
let names = try numbers.array(of: Int32.self).map { table.classes[Int($0)] }
print("probabilities \(probabilities), so \(names)")

let average = report.combinations.first { $0.name == "average" }?.accuracy ?? 0
guard average >= 0.8, report.servedDifference < 1e-6, names.first == "setosa" || names.first == "Iris-setosa" else {
    throw Status.internalError(
        "expected an accuracy of 0.8, a saved model that gives the same, and a setosa; found \(average), \(report.servedDifference) and \(names)")
}
