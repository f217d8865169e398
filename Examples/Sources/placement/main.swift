// Device scopes, and where the placer puts the nodes.
import Weir

// This process gets two CPU devices and a simulated GPU. A simulated GPU has memory and streams of its own; the CPU computes.
let devices = try LocalDevices(cpuCount: 2, simulatedGPUCount: 1)

// A scope gives a full or partial device name. A node outside of all scopes goes to a GPU if there is a kernel for it, else to
// a CPU; the gradient of a node goes to the node's own device.
let builder = GraphBuilder()
let x = builder.placeholder(.float32, shape: [nil, 4], name: "x")
let weights = builder.device("/cpu:1") {
    builder.variable("weights") { builder.filled([4, 2], with: 0.5) }
}
let scores = builder.device("/device:GPU:0") {
    x.matMul(weights.value).relu()
}
let gradient = builder.gradients(of: scores, with: [weights])[0]

// A placement has the device of each node, the nodes and bytes of each device, and the tensors that cross devices.
let session = try await Session(builder.graph(), devices: devices)
let placement = try await session.placement()
for row in placement.rows { print("\(row.device): \(row.opCount) nodes, \(row.byteCount) bytes") }
for crossing in placement.crossings { print("\(crossing.from) -> \(crossing.to): \(crossing.count) tensors") }

// The session copies tensors between the devices. The result is as on one device.
try await session.run(builder.initializer)
let result = try await session.run(scores, feeding: [x: [[1, 2, 3, 4]]])
print("scores:", try result.array(of: Float.self))

let found = [weights.handle, scores, gradient].map { placement[$0]?.localName.description }
guard found == ["/device:CPU:1", "/device:GPU:0", "/device:GPU:0"], try result == [[5, 5]].tensor(.float32) else {
    throw Status.internalError("expected the weights on CPU 1, the rest on the GPU and [5, 5]; found \(found) and \(result)")
}
