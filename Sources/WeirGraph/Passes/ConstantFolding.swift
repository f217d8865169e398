import WeirDevice
import WeirTensor

/// Computes nodes whose inputs are all constants before the graph runs. TensorFlow's constant folding.
///
/// Memory and time for this are limited, because clients send graphs of any size, and the results may never be fetched. Nodes
/// beyond the limits are computed in the step, with the same bits.
package struct ConstantFolding: GraphPass {
    /// The maximum size of a result. Larger results are computed in the step, because storing them costs more memory than they
    /// save time.
    private static let maximumByteCount = 1 << 20
    /// The maximum size of all results together. The next constant is the maximum size of the operands of one node.
    private static let maximumTotalByteCount = 64 << 20
    private static let maximumOperandByteCount = 64 << 20
    private static let maximumTime = Duration.seconds(1)
    private static let maximumOutputCount = 1000

    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with constants in place of the nodes that could be computed.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        let const = try environment.registry.require("Const")
        var graph = graph
        var values: [Endpoint: Tensor] = [:]
        var replacements: [Endpoint: Endpoint] = [:]
        let place = ConstantFolding.place(environment)
        var (bytesLeft, end) = (ConstantFolding.maximumTotalByteCount, ContinuousClock.Instant?.none)
        for id in graph.topologicalOrder() {
            for position in graph.nodes[id].inputs.indices {
                if let other = replacements[graph.nodes[id].inputs[position]] { graph.nodes[id].inputs[position] = other }
            }
            let node = graph.nodes[id]
            if node.role == .constant {
                if let value = node.constantValue { values[Endpoint(id)] = value }
                continue
            }
            guard node.isPure, !node.inputs.isEmpty else { continue }
            let operands = node.inputs.compactMap { values[$0] }
            guard operands.count == node.inputs.count, ConstantFolding.areSmall(operands) else { continue }
            let now = ContinuousClock.now
            if end == nil { end = now + ConstantFolding.maximumTime }
            guard let end, now < end else { continue }
            guard let results = ConstantFolding.results(of: node, operands, environment, place) else { continue }
            let byteCount = results.reduce(0) { $0 + $1.byteCount }
            guard byteCount <= bytesLeft else { continue }
            bytesLeft -= byteCount
            // The result gets the control edges of the constants: they may come from a loop or branch.
            let controls = (node.controlInputs + node.inputs.flatMap { graph.nodes[$0.node].controlInputs }).withoutRepetitions()
            for (index, value) in results.enumerated() {
                var made = try Node(
                    name: index == 0 ? node.name : graph.uniqueName("\(node.name)/_folded_\(index)"), op: const, controlInputs: controls,
                    requestedDevice: node.requestedDevice, attributes: ["dtype": .type(value.dtype), "value": .tensor(value)])
                made.device = node.device
                if index == 0 {
                    graph.nodes[id] = made
                    values[Endpoint(id)] = value
                } else {
                    let added = try graph.add(made)
                    replacements[Endpoint(id, index)] = Endpoint(added)
                    values[Endpoint(added)] = value
                }
            }
        }
        for id in graph.nodes.indices {
            for position in graph.nodes[id].inputs.indices {
                if let other = replacements[graph.nodes[id].inputs[position]] { graph.nodes[id].inputs[position] = other }
            }
        }
        return try graph.withoutUnusedConstants()
    }

    /// Whether the operands together are within the limit.
    private static func areSmall(_ operands: [Tensor]) -> Bool {
        var byteCount = 0
        for operand in operands {
            byteCount += operand.byteCount
            guard byteCount <= maximumOperandByteCount else { return false }
        }
        return true
    }

    /// Where the nodes are computed: as on the graph's device, with a memory limit for the results.
    private static func place(_ environment: PassEnvironment) -> KernelEnvironment {
        let memory = CountingAllocator(name: "\(environment.place.device.name), ahead of time", limit: 4 * maximumByteCount)
        let device = DeviceWithAllocator(environment.place.device, memory)
        return KernelEnvironment(device: device, resources: environment.place.resources, pool: environment.place.pool)
    }

    /// The node's results for these operands. Nil if they must be computed in the step, for example because the kernel fails.
    private static func results(
        of node: Node, _ operands: [Tensor], _ environment: PassEnvironment, _ place: KernelEnvironment
    ) -> [Tensor]? {
        // An attribute can declare any number of outputs, so the number is limited.
        guard node.outputTypes.count <= maximumOutputCount, node.outputTypes.allSatisfy(\.dtype.isBitwise) else { return nil }
        guard let factory = node.op.hostKernel(node.attributes) else { return nil }
        let request = KernelRequest(
            name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            place: place, functions: NoFunctions())
        guard case .sync(let body)? = try? factory.make(request) else { return nil }
        let step = StepContext(id: 0, rendezvous: NoRendezvous())
        var inputs = operands.map { EdgeValue.value($0) }
        var outputs = [EdgeValue](repeating: .empty, count: node.outputTypes.count)
        let isDone = inputs.withUnsafeMutableBufferPointer { inputs in
            outputs.withUnsafeMutableBufferPointer { outputs -> Bool in
                guard let first = inputs.baseAddress, let target = outputs.baseAddress else { return false }
                let context = KernelContext(
                    inputs: first, inputCount: inputs.count, outputs: target, outputCount: outputs.count, step: step,
                    place: place)
                return (try? body(context)) != nil
            }
        }
        guard isDone else { return nil }
        let results = outputs.compactMap(\.tensor)
        guard results.count == outputs.count, zip(results, node.outputTypes).allSatisfy({ $0.dtype == $1.dtype }),
            results.allSatisfy({ $0.byteCount <= maximumByteCount })
        else { return nil }
        // Copies each result, because a view would keep all memory of the tensor that it is a view of.
        var kept: [Tensor] = []
        for result in results {
            let isOperand = operands.contains { $0.sharesMemory(with: result) && $0.byteCount == result.byteCount }
            guard let value = isOperand ? result : try? result.copied() else { return nil }
            kept.append(value)
        }
        return kept
    }
}

/// For kernels that only compute, so that they neither send nor receive.
private final class NoRendezvous: Rendezvous {
    func send(_ key: RendezvousKey, _ delivery: RendezvousItem) throws(Status) {}
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<RendezvousItem>) {
        done(.failure(.internalError("Nothing can be received while a graph is prepared")))
    }
    func abort(_ status: Status) {}
}

extension Graph {
    /// The graph without constants that no node uses.
    fileprivate func withoutUnusedConstants() throws(Status) -> Graph {
        var isUsed = [Bool](repeating: false, count: nodes.count)
        for node in nodes {
            for input in node.inputs { isUsed[input.node] = true }
            for control in node.controlInputs { isUsed[control] = true }
        }
        guard nodes.indices.contains(where: { !isUsed[$0] && nodes[$0].role == .constant }) else { return self }
        return try filtered { isUsed[$0] || nodes[$0].role != .constant }
    }
}
