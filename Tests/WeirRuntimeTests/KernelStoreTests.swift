import Synchronization
import Testing
import WeirDevice
@testable import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirRuntime

@Suite("Kernels of a session")
struct KernelStoreTests {
    private func request(_ name: String, _ op: String, _ attributes: Attributes) throws -> (KernelRequest, KernelFactory) {
        let op = try OpRegistry.standard.require(op)
        let node = try Node(name: name, op: op, attributes: attributes)
        let devices = LocalDevices(task: DeviceName(job: "localhost", replica: 0, task: 0))
        let request = KernelRequest(
            name: name, op: op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            place: devices.client, functions: NoFunctions())
        return (request, try #require(op.kernel(for: "CPU", node.attributes)))
    }
    /// A kernel has no identity of its own: what it was made with has.
    private func counting(_ factory: KernelFactory, _ made: @escaping @Sendable () -> Void) -> KernelFactory {
        KernelFactory(deviceType: factory.deviceType, types: factory.types, hostMemory: factory.hostMemory) { request in
            made()
            return try factory.make(request)
        }
    }

    @Test("a stateful node's kernel is kept, and is another's where op, types or attributes differ")
    func identity() throws {
        let store = KernelStore()
        let count = Counter()
        func ask(_ op: String, _ attributes: Attributes) throws {
            let (request, factory) = try request("n", op, attributes)
            _ = try store.kernel(request, counting(factory) { count.add() }, library: FunctionLibrary())
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
        // Notes on a node do not change what it is.
        try ask("RandomUniform", ["dtype": .type(.float32), "T": .type(.int32), "seed": 1, "_output_shapes": .shapes([[2]])])
        #expect(count.value == 4)
    }

    @Test("a transfer's kernel belongs to its graph")
    func transfers() throws {
        let store = KernelStore()
        let count = Counter()
        for _ in 0..<3 {
            let (request, factory) = try request(
                "send", "_Send",
                ["T": .type(.float32), "tensor_name": "edge", "send_device": "a", "recv_device": "b", "send_device_incarnation": 1])
            _ = try store.kernel(request, counting(factory) { count.add() }, library: FunctionLibrary())
        }
        #expect(count.value == 3)
    }
}

/// A number that closures count up.
final class Counter: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.wrappingAdd(1, ordering: .relaxed) }
    var value: Int { count.load(ordering: .relaxed) }
}
