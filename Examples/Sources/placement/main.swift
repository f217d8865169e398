// Device scopes, and where the placer puts the nodes.
import Weir

// This process gets two CPU devices and a simulated GPU. A simulated GPU has memory and streams of its own; the CPU computes.
var options = RuntimeOptions()
options.cpuCount = 2
options.simulatedGPUCount = 1
let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0), options: options)

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
let gradient = builder.gradients(of: [scores], with: [weights.value])[0]
let graph = try builder.graph()

// A report lists the nodes and bytes of each device, and the tensors that cross devices.
let placed = try DirectSession(graph, registry: .standard, devices: devices).placedGraph
let report = PlacementReport(placed)
for row in report.rows { print("\(row.device): \(row.opCount) nodes, \(row.byteCount) bytes") }
for crossing in report.crossings { print("\(crossing.from) -> \(crossing.to): \(crossing.count) tensors") }

// The session copies tensors between the devices. The result is as on one device.
let session = try await Session(graph, devices: devices)
try await session.run(weights.initializer)
let result = try await session.run(scores, feeding: [x: [[1, 2, 3, 4]]])
print("scores:", try result.array(of: Float.self))

func device(of name: String) -> String { placed.node(named: name)?.device?.localName.description ?? "none" }
let found = [device(of: weights.handle.nodeName), device(of: scores.nodeName), device(of: gradient?.nodeName ?? "")]
guard found == ["/device:CPU:1", "/device:GPU:0", "/device:GPU:0"], result == Tensor([5, 5] as [Float], shape: [1, 2]) else {
    throw Status.internalError("expected the weights on CPU 1, the rest on the GPU and [5, 5]; found \(found) and \(result)")
}
