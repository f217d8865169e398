import Testing
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

/// A user-defined device type, as in `docs/adding-a-device.md`.
@Suite("User-defined devices")
struct OwnDeviceTests {
    private final class Abacus: Device {
        let name: DeviceName
        let incarnation: UInt64 = 7
        var type: String { "ABACUS" }
        var allocator: any Allocator { HostAllocator.shared }
        var memoryLimit: Int { 1 << 20 }
        var hardware: String { "ten wires" }
        init(name: DeviceName) { self.name = name }
    }
    /// An AddV2 that adds 1 more, so that its use is visible.
    private struct AbacusKernels: KernelLibrary {
        func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
            guard request.op.name == "AddV2" else { return try HostKernels().kernel(for: request, support) }
            return .sync { context in
                let sum = context.elements(0, Float.self)[0] + context.elements(1, Float.self)[0]
                context.setOutput(0, Tensor(sum + 1))
            }
        }
    }

    @Test("an argument that an op does not have is an error of its kernel, and does not end the process")
    func unknownArgument() throws {
        let op = try OpRegistry.standard.require("Neg")
        let device = KernelEnvironment(device: CPUDevice(name: DeviceName(type: "CPU", index: 0)), resources: ResourceTable(defaultContainer: ""))
        let request = KernelRequest(
            name: "n", op: op, attributes: ["T": .type(.float32)], inputTypes: [PortType(.float32)], outputTypes: [PortType(.float32)], place: device,
            functions: NoFunctions())
        #expect(throws: Status.self) { try request.inputRange("nonsense") }
    }

    @Test("the first device of a process must be a CPU")
    func noCPU() throws {
        #expect(throws: Status.self) { try LocalDevices(places: []) }
        let abacus = Abacus(name: DeviceName(job: "localhost", replica: 0, task: 0, type: "ABACUS", index: 0))
        let place = KernelEnvironment(device: abacus, resources: ResourceTable(defaultContainer: "localhost"), kernels: AbacusKernels())
        let error = #expect(throws: Status.self) { try LocalDevices(places: [place]) }
        #expect(error?.code == .invalidArgument && error?.message.contains("ABACUS") == true)
    }

    @Test("a device with one kernel gets its nodes; soft placement moves the others")
    func oneKernel() throws {
        let registry = OpRegistry.standard.replacing("AddV2") { $0.supported(on: "ABACUS", ["T": DTypeSet(.float32)]) }
        let b = GraphBuilder(registry: registry)
        let x = b.placeholder(.float32, shape: [], name: "x")
        let (sum, product) = b.device("/device:ABACUS:0") { (b.add("AddV2", [x, x], name: "sum")[0], b.add("Mul", [x, x], name: "product")[0]) }
        let elsewhere = b.device("/cpu:0") { b.add("AddV2", [x, x])[0] }
        func place(_ type: String) -> DeviceName { DeviceName(job: "localhost", replica: 0, task: 0, type: type, index: 0) }
        func resources() -> ResourceTable { ResourceTable(defaultContainer: "localhost") }
        let devices = try LocalDevices(places: [
            KernelEnvironment(device: CPUDevice(name: place("CPU")), resources: resources()),
            KernelEnvironment(device: Abacus(name: place("ABACUS")), resources: resources(), kernels: AbacusKernels()),
        ])
        var options = RuntimeOptions()
        #expect(throws: Status.self) { try DirectSession(b.graph(), registry: registry, devices: devices, options: options) }
        options.allowsSoftPlacement = true
        let session = try DirectSession(b.graph(), registry: registry, devices: devices, options: options)
        let values = try session.run(feeds: [("x:0", Tensor(Float(3)))], fetches: [sum.name, product.name, elsewhere.name])
        #expect(try values.map { try $0.scalar(of: Float.self) } == [7, 9, 6])
        #expect(session.placedGraph.node(named: "sum")?.device?.type == "ABACUS")
        #expect(session.placedGraph.node(named: "product")?.device?.type == "CPU")
        // The standard registry is unchanged.
        #expect(try OpRegistry.standard.require("AddV2").support(on: "ABACUS", ["T": .type(.float32)]) == nil)
    }
}
