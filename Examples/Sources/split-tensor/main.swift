// Divides the work inside each layer over devices: every device has a part of each layer's weights. The results are those of one
// device.
import Weir

/// A classifier with a block as in a transformer: a wide layer and a narrow one, added to what goes in. It knows nothing of devices.
struct Network: Classifier {
    let inputs = [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)]

    func predictions(_ inputs: ModelInputs) -> Output {
        let network = Sequential {
            Dense(16, activation: .tanh, name: "input")
            Residual(name: "block") {
                Dense(64, activation: .relu, name: "wide")
                Dense(16, name: "narrow")
            }
            Dense(3, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: 1))
    }
}

let model = try ModelGraph(Network())
var options = TrainingOptions(model, table: try .iris(), optimizer: Momentum(learningRate: 0.05), stepCount: 60, batchSize: 32)
let expected = try await Trainer(options).run()

// Four CPU devices of this process; on a cluster, `devices` are those of each worker.
let devices = ["/cpu:0", "/cpu:1", "/cpu:2", "/cpu:3"]

// The strategy finds cuts that move the fewest bytes: `wide` by columns, `narrow` by rows. A rule can say otherwise. On the mesh,
// half of the batch is on two devices, and the other half on the other two; it takes two batches in a step.
let strategies: [(name: String, devices: Int, batchSize: Int, strategy: any Strategy)] = [
    ("tensor, 2 devices", 2, 32, TensorParallel()),
    ("tensor, 4 devices", 4, 32, TensorParallel()),
    ("tensor, a rule", 2, 32, TensorParallel(rules: [("block/wide", .rows)])),
    ("mesh data=2,model=2", 4, 16, MeshParallel(["data": 2, "model": 2])),
]
for entry in strategies {
    options.devices = Array(devices.prefix(entry.devices))
    options.strategy = entry.strategy
    options.batchSize = entry.batchSize
    let plan = try entry.strategy.plan(
        model, TrainingSetting(devices: options.devices, optimizer: options.optimizer, batchSize: options.batchSize))
    let parts = plan.clients[0].graph.nodes.filter { $0.name.split(separator: "/").dropLast().last?.hasPrefix("part_") == true && $0.name.hasSuffix("/handle") }
    let report = try await Trainer(options).run()
    guard let last = report.losses.last?.loss, let wanted = expected.losses.last?.loss else { throw Status.internalError("\(entry.name): no losses") }
    print("\(entry.name): \(parts.count) parts of variables, loss \(last) after \(report.stepCount) steps, accuracy \(report.testAccuracy)")
    // Sums of parts are rounded differently, a little more with each step.
    guard last < 0.5, abs(last - wanted) < 1e-3 else { throw Status.internalError("\(entry.name): expected a loss of \(wanted), found \(last)") }
}

// Three devices do not divide 64 columns. The plan says so, before anything starts.
let setting = TrainingSetting(devices: Array(devices.prefix(3)), optimizer: options.optimizer, batchSize: 32)
do {
    _ = try TensorParallel(rules: [("block/wide", .columns)]).plan(model, setting)
    throw Status.internalError("64 columns were divided by 3")
} catch {
    guard Status(error).code == .invalidArgument else { throw error }
    print(Status(error).message)
}
