// Splits one model by layer over two devices: as stages that work in turn, and as a pipeline whose stages work at the same time.
// Both compute what one device computes.
import Weir

/// A small classifier. Its layers are the name scopes `wide`, `narrow` and `output`; it knows nothing of devices.
struct Network: Classifier {
    let inputs = [ModelInput("features", .float32, [4]), ModelInput("labels", .int32)]

    func predictions(_ inputs: ModelInputs) -> Output {
        let network = Sequential {
            Dense(64, activation: .relu, name: "wide")
            Dense(16, activation: .relu, name: "narrow")
            Dense(3, name: "output")
        }
        return network(inputs["features"], inputs.layers(seed: 1))
    }
}

// Where the model can be cut, and what each layer costs for 32 rows.
let model = try ModelGraph(Network())
let cut = try LayerCut(model)
for (layer, operations) in zip(cut.layers, try LayerCost.operations.layers(of: cut, model, rowCount: 32)) {
    print("layer \(layer.name): \(layer.parameterByteCount) bytes of variables, \(Int(operations)) operations")
}

var options = TrainingOptions(model, table: try .iris(), optimizer: Momentum(learningRate: 0.05), stepCount: 60, batchSize: 32)
let expected = try await Trainer(options).run()

// Two CPU devices of this process; on a cluster, `devices` are those of each worker. The cut is balanced, or by name: all from the
// layer `narrow` on is on the second device.
options.devices = ["/cpu:0", "/cpu:1"]
let byName = LayerAssignment.rules([.init("narrow", "/cpu:1")])
let strategies: [(String, any Strategy)] = [
    ("layers, balanced", LayerParallel()),
    ("layers, by name", LayerParallel(assignment: byName)),
    ("pipeline, GPipe", PipelineParallel(microBatches: 4, order: .gPipe)),
    ("pipeline, 1F1B", PipelineParallel(microBatches: 8, order: .oneForwardOneBackward, assignment: byName)),
]
for (name, strategy) in strategies {
    options.strategy = strategy
    let report = try await Trainer(options).run()
    guard report.losses.count == expected.losses.count, let last = report.losses.last?.loss, let wanted = expected.losses.last?.loss else {
        throw Status.internalError("\(name): expected \(expected.losses.count) losses, found \(report.losses.count)")
    }
    print("\(name): loss \(last) after \(report.stepCount) steps, accuracy \(report.testAccuracy)")
    // Sums of parts are rounded differently, a little more with each step.
    for (found, one) in zip(report.losses, expected.losses) where abs(found.loss - one.loss) > 1e-3 * max(0.1, one.loss) {
        throw Status.internalError("\(name): expected the loss of one device, \(one.loss) at step \(one.step), found \(found.loss)")
    }
    guard last < 0.5, abs(last - wanted) < 1e-3 else { throw Status.internalError("\(name): expected a loss of \(wanted), found \(last)") }
}

// For 2 stages, the share of the time in which a device waits, and the micro-batches whose activations the first stage keeps.
for order in PipelineSchedule.Order.allCases {
    let schedule = try PipelineSchedule(order, stages: 2, microBatches: 8)
    print("\(order.rawValue): idle \(schedule.bubbleShare), keeps \(schedule.liveMicroBatchCount(ofStage: 0))")
}
