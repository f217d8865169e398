import Synchronization
import Testing
import WeirDevice
import WeirGraph
import WeirTensor

import Glibc

@testable import WeirArrayOps
import WeirOps
@testable import WeirStateOps

/// Runs a graph node after node on one device: just enough of a session to try kernels that keep state.
final class TinySession {
    let builder: GraphBuilder
    let resources = ResourceTable(defaultContainer: "localhost")
    let cancellation = Cancellation()
    private let place: KernelEnvironment
    private var kernels: [NodeID: Kernel] = [:]

    /// - Parameter registry: whatever the graph needs besides constants, placeholders and state.
    init(_ ops: [OpDefinition] = [], threads: Int = 1) throws {
        builder = GraphBuilder(registry: OpRegistry([.const, .tinyPlaceholder] + stateOps + trainingOps + ops))
        let device = CPUDevice(name: try DeviceName("/job:localhost/replica:0/task:0/device:CPU:0"))
        place = KernelEnvironment(device: device, resources: resources, pool: try ComputePool(threadCount: threads))
    }

    /// A value of which the graph knows only the type.
    func feed(_ value: Tensor) -> Output {
        builder.add("Placeholder", attributes: ["dtype": .type(value.dtype), "value": .tensor(value)])[0]
    }
    func feed<E: TensorElement>(_ values: [E], _ shape: Shape? = nil) -> Output { feed(Tensor(values, ofShape: shape ?? Shape(values.count))) }
    func feed<E: TensorElement>(_ value: E) -> Output { feed(Tensor(value)) }
    func add(_ op: String, _ inputs: [Output] = [], _ attributes: Attributes = [:]) -> Operation {
        builder.add(op, inputs, attributes: attributes)
    }

    /// The value of an output; what it depends on runs before it, once.
    @discardableResult
    func run(_ output: Output) throws -> Tensor { try #require(try run([output])[0]) }
    /// Runs for the effect.
    func run(_ operation: Operation) throws {
        _ = try builder.graph()
        var step = Step(cancellation)
        try run(operation.id, &step)
    }
    func run(_ outputs: [Output]) throws -> [Tensor?] {
        _ = try builder.graph()
        var step = Step(cancellation)
        return try outputs.map { output in
            try run(output.endpoint.node, &step)
            switch step.slots[output.endpoint] {
            case .value(let tensor): return tensor
            case .reference(let cell): return try cell.read()
            default: return nil
            }
        }
    }

    /// What an asynchronous kernel came to, or nothing yet.
    final class Pending: Sendable {
        private let result = Mutex<Result<[EdgeValue], Status>?>(nil)
        var isDone: Bool { result.withLock { $0 != nil } }
        func finish(_ value: Result<[EdgeValue], Status>) { result.withLock { $0 = value } }
        func wait() throws -> [EdgeValue] {
            while true {
                if let result = result.withLock({ $0 }) { return try result.get() }
                usleep(50)
            }
        }
    }

    /// Starts an asynchronous node, whose inputs are computed at once.
    func start(_ operation: Operation) throws -> Pending {
        _ = try builder.graph()
        var step = Step(cancellation)
        return try start(operation.id, &step)
    }

    private struct Step {
        var slots: [Endpoint: EdgeValue] = [:]
        var done: Set<NodeID> = []
        let context: StepContext
        init(_ cancellation: Cancellation) {
            context = StepContext(id: 1, rendezvous: NoMessages(), cancellation: cancellation)
        }
    }

    private func run(_ id: NodeID, _ step: inout Step) throws {
        guard step.done.insert(id).inserted else { return }
        let slots = try start(id, &step).wait()
        for (index, slot) in slots.enumerated() { step.slots[Endpoint(id, index)] = slot }
    }

    private func start(_ id: NodeID, _ step: inout Step) throws -> Pending {
        let node = builder.node(id)
        for source in node.inputs { try run(source.node, &step) }
        for source in node.controlInputs { try run(source, &step) }
        var inputs = try zip(node.inputs, node.inputTypes).map { source, type -> EdgeValue in
            guard case .reference(let cell)? = step.slots[source] else { return step.slots[source] ?? .empty }
            if node.op.allowsUninitializedInput { return .reference(cell) }
            let value = try cell.read()
            return type.isReference ? .reference(cell) : .value(value)
        }
        var outputs = [EdgeValue](repeating: .empty, count: node.outputTypes.count)
        let pending = Pending()
        let kernel = try kernel(id, node)
        try inputs.withUnsafeMutableBufferPointer { inputs in
            try outputs.withUnsafeMutableBufferPointer { outputs in
                let nowhere = try #require(UnsafeMutablePointer<EdgeValue>(bitPattern: 64))
                let context = KernelContext(
                    inputs: inputs.baseAddress ?? nowhere, inputCount: inputs.count,
                    outputs: outputs.baseAddress ?? nowhere, outputCount: outputs.count, step: step.context,
                    place: place)
                switch kernel {
                case .sync(let body):
                    try body(context)
                    pending.finish(.success(Array(outputs)))
                case .async(let body): body(context) { pending.finish($0) }
                case .enqueued: pending.finish(.failure(.internalError("the CPU has no stream")))
                }
            }
        }
        return pending
    }

    private func kernel(_ id: NodeID, _ node: Node) throws -> Kernel {
        if let kernel = kernels[id] { return kernel }
        let factory = try #require(node.op.hostKernel(node.attributes), "no kernel for \(node.op.name)")
        let kernel = try factory.make(
            KernelRequest(
                name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes,
                outputTypes: node.outputTypes, place: place, functions: NoFunctions()))
        kernels[id] = kernel
        return kernel
    }
    /// Forgets the kernels, as the end of a session does.
    func forgetKernels() { kernels = [:] }
}

private final class NoMessages: Rendezvous {
    func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status) {}
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {}
    func abort(_ status: Status) {}
}

extension OpDefinition {
    fileprivate static let tinyPlaceholder = OpDefinition(
        "Placeholder", "() -> (output: dtype)", "value: tensor", "dtype: type"
    )
    .kernel { request in
        let value = try request.tensor("value")
        return .sync { context in context.setOutput(0, value) }
    }
}

/// Runs `body`, which must fail, and gives the status.
func failure(_ body: () throws -> Void) throws -> Status {
    do {
        try body()
    } catch let status as Status {
        return status
    }
    throw Status.internalError("an error was expected")
}

extension Tensor {
    var floats: [Float] { Array(elements(Float.self)) }
    var integers64: [Int64] { Array(elements(Int64.self)) }
}
