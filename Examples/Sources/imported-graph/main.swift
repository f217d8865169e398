// Reads a graph that TensorFlow exported, and runs it by the names of its tensors.
import Weir

// `line.pbtxt` is next to this file; its header says how it was exported. Binary `GraphDef` files are read in the same way.
let path = CommandLine.arguments.dropFirst().first ?? String(#filePath.dropLast("main.swift".count)) + "line.pbtxt"

// Reading looks up each op and checks its attributes and inputs.
let graph = try Graph(contentsOf: path)
for node in graph.nodes { print("\(node.name): \(node.op.name)") }

// Without a builder, feeds and fetches are names: `node:output`.
let session = try await Session(graph)
let values = try await session.run("y:0", feeding: ["x:0": [1, 2, 3]])
print("y:", try values.array(of: Float.self))

// A builder extends the graph. Operations are found by name.
let builder = GraphBuilder(extending: graph)
guard let x = builder.operation(named: "x")?[0], let y = builder.operation(named: "y")?[0] else {
    throw Status.notFound("expected nodes 'x' and 'y' in \(path)")
}
let total = y.sum()
try await session.extend(to: builder.graph())
let sum = try await session.run(total, feeding: [x: [1, 2, 3]])
print("their sum:", try sum.scalar(of: Float.self))

guard values == Tensor([3, 5, 7] as [Float]), sum == Tensor(15 as Float) else {
    throw Status.internalError("expected y = 2 x + 1 with sum 15, found \(values) and \(sum)")
}
