// Saves variables to a checkpoint in TensorFlow's format, and restores them in another session.
import Weir

let builder = GraphBuilder()
let weights = builder.variable("layer/weights") { builder.glorotUniform([2, 3], seed: 1) }
let steps = builder.variable("steps", initial: 0, .int64)
let count = steps.assignAdd(builder.constant(1, .int64))
let saver = Saver(builder)
let graph = try builder.graph()
let directory = CommandLine.arguments.dropFirst().first ?? ".build/checkpoint"

// The first session initializes the variables, counts three steps and saves.
let first = try await Session(graph)
try await first.run(builder.initializer)
for _ in 0..<3 { try await first.run(count) }
let path = try await saver.save(first, to: "\(directory)/model", globalStep: steps)
let saved = try await first.run([weights.value, steps.value])
print("saved to \(path): \(saved)")

// The variables of a session in this process belong to it. Another session has none until it restores them.
let second = try await Session(graph)
guard let latest = try Saver.latestCheckpoint(in: directory) else { throw Status.notFound("no checkpoint in \(directory)") }
try await saver.restore(second, from: latest)
let restored = try await second.run([weights.value, steps.value])
print("restored: \(restored)")

guard latest == path, restored == saved, restored[1] == Tensor(3 as Int64) else {
    throw Status.internalError("expected \(saved) from \(path), found \(restored) from \(latest)")
}
