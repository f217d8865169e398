// Saves variables to a checkpoint in TensorFlow's format, and restores them in another session.
import Weir

/// Adds the nodes that save and restore variables, as TensorFlow's `Saver` does. Both need the path of the checkpoint.
struct Saver {
    let path: Output
    let save: Operation
    let restore: Operation

    init(_ builder: GraphBuilder, _ variables: [Variable]) {
        let path = builder.placeholder(.string, shape: [], name: "path")
        let names = builder.constant(Tensor(variables.map { ByteString($0.name) }))
        // An empty text means the whole tensor, not a slice of it.
        let slices = builder.constant(Tensor(variables.map { _ in ByteString("") }))
        save = builder.add("SaveV2", [path, names, slices] + variables.map(\.value))
        let values = builder.add(
            "RestoreV2", [path, names, slices], attributes: ["dtypes": .types(variables.map(\.dtype))])
        restore = builder.group(zip(variables, values.outputs).map { variable, value in variable.assign(value) })
        self.path = path
    }
}

let builder = GraphBuilder()
let weights = builder.variable("layer/weights") { builder.glorotUniform([2, 3], seed: 1) }
let steps = builder.variable("steps") { builder.scalar(0, .int64) }
let count = steps.assignAdd(builder.scalar(1, .int64))
let saver = Saver(builder, [weights, steps])
let graph = try builder.graph()
let path = CommandLine.arguments.dropFirst().first ?? ".build/checkpoint/model"

// The first session initializes the variables, counts three steps and saves.
let first = try await Session(graph)
try await first.run(weights.initializer, steps.initializer)
for _ in 0..<3 { try await first.run(count) }
try await first.run(saver.save, feeding: [saver.path: path])
let saved = try await first.run([weights.value, steps.value])
print("saved to \(path): \(saved)")

// The variables of a session in this process belong to it. Another session has none until it restores them.
let second = try await Session(graph)
try await second.run(saver.restore, feeding: [saver.path: path])
let restored = try await second.run([weights.value, steps.value])
print("restored: \(restored)")

guard restored == saved, restored[1] == Tensor(3 as Int64) else {
    throw Status.internalError("expected \(saved), found \(restored)")
}
