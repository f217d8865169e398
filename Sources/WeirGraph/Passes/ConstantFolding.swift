import WeirTensor

/// Computes ahead of time what follows from constants alone.
public struct ConstantFolding: GraphPass {
    /// Larger results than this are computed in the step: memory costs more than time.
    private static let maximumByteCount = 1 << 20

    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        let const = try environment.registry.require("Const")
        var graph = graph
        var values: [Endpoint: Tensor] = [:]
        var replacements: [Endpoint: Endpoint] = [:]
        for id in graph.topologicalOrder() {
            for position in graph.nodes[id].inputs.indices {
                if let other = replacements[graph.nodes[id].inputs[position]] { graph.nodes[id].inputs[position] = other }
            }
            let node = graph.nodes[id]
            if node.op.name == "Const" {
                if let value = node.attributes.tensor("value"), value.dtype == node.outputTypes[0].dtype { values[Endpoint(id)] = value }
                continue
            }
            guard node.isPure, !node.inputs.isEmpty else { continue }
            let operands = node.inputs.compactMap { values[$0] }
            guard operands.count == node.inputs.count, let results = ConstantFolding.results(of: node, operands, environment) else { continue }
            // What held the constants back, in a loop or a branch, holds the result back.
            var controls = node.controlInputs
            for input in node.inputs {
                for control in graph.nodes[input.node].controlInputs where !controls.contains(control) { controls.append(control) }
            }
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

    /// What the node gives for these operands; nil when that is for the step to find out (errors too).
    private static func results(of node: Node, _ operands: [Tensor], _ environment: PassEnvironment) -> [Tensor]? {
        guard let factory = node.op.kernel(for: environment.place.device.type, node.attributes) else { return nil }
        let request = KernelRequest(
            name: node.name, op: node.op, attributes: node.attributes, inputTypes: node.inputTypes, outputTypes: node.outputTypes,
            place: environment.place, functions: NoFunctions())
        guard case .sync(let body)? = try? factory.make(request) else { return nil }
        let step = StepContext(id: 0, rendezvous: NoRendezvous())
        var inputs = operands.map { Slot.value($0) }
        var outputs = [Slot](repeating: .empty, count: node.outputTypes.count)
        let isDone = inputs.withUnsafeMutableBufferPointer { inputs in
            outputs.withUnsafeMutableBufferPointer { outputs -> Bool in
                guard let first = inputs.baseAddress, let target = outputs.baseAddress else { return false }
                let context = KernelContext(
                    inputs: first, inputCount: inputs.count, outputs: target, outputCount: outputs.count, step: step,
                    place: environment.place)
                return (try? body(context)) != nil
            }
        }
        guard isDone else { return nil }
        let results = outputs.compactMap(\.tensor)
        guard results.count == outputs.count, zip(results, node.outputTypes).allSatisfy({ $0.dtype == $1.dtype }),
            results.allSatisfy({ $0.dtype.isBitwise && $0.byteCount <= maximumByteCount })
        else { return nil }
        return results
    }
}

/// For kernels that compute values, which hand nothing over.
private final class NoRendezvous: Rendezvous {
    func send(_ key: RendezvousKey, _ delivery: Delivery) throws(Status) {}
    func receive(_ key: RendezvousKey, _ done: @escaping Completion<Delivery>) {
        done(.failure(.internalError("Nothing can be received while a graph is prepared")))
    }
    func abort(_ status: Status) {}
}

extension Graph {
    /// The graph less constants that nothing uses any more.
    fileprivate func withoutUnusedConstants() throws(Status) -> Graph {
        var isUsed = [Bool](repeating: false, count: nodes.count)
        for node in nodes {
            for input in node.inputs { isUsed[input.node] = true }
            for control in node.controlInputs { isUsed[control] = true }
        }
        guard nodes.indices.contains(where: { !isUsed[$0] && nodes[$0].op.name == "Const" }) else { return self }
        return try filtered { isUsed[$0] || nodes[$0].op.name != "Const" }
    }
}
