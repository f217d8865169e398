import Synchronization
import Testing
import WeirDevice
@testable import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("Kernels of a session")
struct KernelStoreTests {
    private func request(_ name: String, _ op: String, _ attributes: Attributes, made: Counter? = nil) throws -> (KernelRequest, KernelSupport) {
        let op = try OpRegistry.standard.require(op)
        let node = try Node(name: name, op: op, attributes: attributes)
        let devices = try LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0))
        let request = KernelRequest(
            name: name, op: op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            place: KernelEnvironment(
                device: devices.client.device, resources: devices.client.resources, kernels: CountingKernels(counter: made ?? Counter())),
            functions: NoFunctions())
        return (request, try #require(op.support(on: "CPU", node.attributes)))
    }
    /// Counts the kernels that it makes, because a kernel has no identity to compare.
    private struct CountingKernels: KernelLibrary {
        let counter: Counter
        func kernel(for request: KernelRequest, _ support: KernelSupport) throws -> Kernel {
            counter.add()
            return try HostKernels().kernel(for: request, support)
        }
    }

    @Test("a stateful node's kernel is reused only for the same op, types and attributes")
    func identity() throws {
        let store = KernelStore()
        let count = Counter()
        func ask(_ op: String, _ attributes: Attributes) throws {
            let (request, support) = try request("n", op, attributes, made: count)
            _ = try store.kernel(request, support, library: FunctionLibrary())
        }
        let float: Attributes = ["dtype": .type(.float32), "T": .type(.int32), "seed": 1]
        try ask("RandomUniform", float)
        try ask("RandomUniform", float)
        #expect(count.value == 1)
        try ask("RandomUniform", ["dtype": .type(.float64), "T": .type(.int32), "seed": 1])
        #expect(count.value == 2)
        try ask("RandomUniform", ["dtype": .type(.float32), "T": .type(.int32), "seed": 2])
        try ask("RandomStandardNormal", float)
        #expect(count.value == 4)
        // Attributes with a leading underscore do not count.
        try ask("RandomUniform", ["dtype": .type(.float32), "T": .type(.int32), "seed": 1, "_output_shapes": .shapes([[2]])])
        #expect(count.value == 4)
    }

    @Test("send and receive kernels are not shared between graphs")
    func transfers() throws {
        let store = KernelStore()
        let count = Counter()
        for _ in 0..<3 {
            let (request, support) = try request(
                "send", "_Send",
                ["T": .type(.float32), "tensor_name": "edge", "send_device": "a", "recv_device": "b", "send_device_incarnation": 1],
                made: count)
            _ = try store.kernel(request, support, library: FunctionLibrary())
        }
        #expect(count.value == 3)
    }
}

/// A counter that closures can increment.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.wrappingAdd(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}
