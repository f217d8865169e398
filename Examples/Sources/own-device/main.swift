// A device of your own, with one kernel. Nodes are pinned to it by name; soft placement moves those that it cannot run.
import Weir

/// A device that computes in host memory. A device with memory and a stream of its own also copies tensors: see `Device`.
final class Abacus: Device {
    let name: DeviceName
    let incarnation = UInt64.random(in: 1 ... .max)
    var type: String { "ABACUS" }
    var allocator: any Allocator { HostAllocator.shared }
    var memoryLimit: Int { 1 << 20 }
    var hardware: String { "ten wires" }

    init(name: DeviceName) { self.name = name }
}

/// The kernels of the device.
struct AbacusKernels: KernelLibrary {
    func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
        switch request.op.name {
        case "Neg":
            return .sync { context in
                let x = context.elements(0, Float.self)
                try context.output(0, .float32, context.shape(0), reusing: 0).withMutableElements(of: Float.self) { y in
                    for index in x.indices { y[index] = -x[index] }
                }
            }
        // Ops that only pass tensors on use the CPU's kernels.
        default: return try HostKernels().kernel(for: request, support)
        }
    }
}

// The registry says which ops the device has kernels for, and for which types.
let registry = OpRegistry.standard.replacing("Neg") { $0.supported(on: "ABACUS", ["T": DTypeSet(.float32)]) }
let name = DeviceName(job: "localhost", replica: 0, task: 0, type: "ABACUS", index: 0)
let abacus = KernelEnvironment(
    device: Abacus(name: name), resources: ResourceTable(defaultContainer: "localhost"), kernels: AbacusKernels())
let devices = try LocalDevices(places: LocalDevices().places + [abacus])

let builder = GraphBuilder(registry: registry)
let x = builder.placeholder(.float32, shape: [nil], name: "x")
let (negated, exponential) = builder.device("/device:ABACUS:0") {
    let negated = -x
    return (negated, negated.exp())
}
let session = try await Session(
    builder.graph(), configuration: SessionConfiguration(allowsSoftPlacement: true), registry: registry, devices: devices)
let placement = try await session.placement()
print(placement)
let values = try await session.run([negated, exponential], feeding: [x: [1, 0]])
print(values)

// `Neg` is on the device. `Exp` has no kernel there, so it is on the CPU.
guard placement[negated]?.type == "ABACUS", placement[exponential]?.type == "CPU",
    try values[0].array(of: Float.self) == [-1, 0]
else { throw Status.internalError("expected Neg on the ABACUS and Exp on the CPU, found \(placement)") }
