import WeirTensor

/// Fuses a matrix product or convolution with the ops after it: a bias and an activation, or, for a matrix product, a sum.
package struct ContractionFusion: GraphPass {
    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with one node in place of each chain.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        let registry = environment.registry
        guard graph.nodes.contains(where: { $0.op.fusedForm != nil }) else { return graph }
        let order = graph.topologicalOrder()
        guard order.count == graph.nodes.count else { return graph }
        var chains = ContractionChains(graph, order, registry)
        var isDropped = [Bool](repeating: false, count: graph.nodes.count)
        for id in order where !isDropped[id] {
            guard let name = chains.graph.nodes[id].op.fusedForm, let op = registry[name], let chain = chains.chain(from: id) else { continue }
            // If both operands of a sum are products, the sum is fused with one of them.
            try chains.fuse(chain, op)
            for member in chain.members.dropLast() { isDropped[member] = true }
        }
        return try chains.graph.filtered { !isDropped[$0] }
    }
}

/// Finds chains of nodes that can be fused, and fuses them.
private struct ContractionChains {
    struct Chain {
        /// The nodes from the product to the one whose result is the chain's result.
        var members: [NodeID]
        /// The values of the attribute `fused_ops`.
        var operations: [String] = []
        /// The bias, or the other operand of the sum.
        var argument: Endpoint
    }

    /// The names of the operations in `fused_ops`, for all ops that add.
    private static let bias = "BiasAdd", sum = "Add"
    /// The maximum number of nodes that are visited to find out that one node does not run after another.
    private static let maximumVisits = 256

    private(set) var graph: Graph
    private let builder: GraphBuilder
    private let branches: ExecutionConditions
    /// For each node ID, the nodes that use its outputs (`users`) and the nodes that wait for it (`waiters`).
    private var users: [[NodeID]]
    private var waiters: [[NodeID]]

    init(_ graph: Graph, _ order: [NodeID], _ registry: OpRegistry) {
        self.graph = graph
        builder = GraphBuilder(extending: graph, registry: registry)
        branches = ExecutionConditions(graph, order)
        users = [[NodeID]](repeating: [], count: graph.nodes.count)
        waiters = users
        for (id, node) in graph.nodes.enumerated() {
            for source in node.inputs { users[source.node].append(id) }
            for source in node.controlInputs { waiters[source].append(id) }
        }
    }

    /// The only node that uses a node's value, if there is exactly one and it runs whenever the node does.
    private func user(of id: NodeID) -> NodeID? {
        guard users[id].count == 1, let user = users[id].first, branches.numbers[user] == branches.numbers[id],
            graph.nodes[user].isPure, graph.nodes[user].attributes.type("T") == .float32,
            !graph.nodes[user].controlInputs.contains(id), graph.nodes[user].device == graph.nodes[id].device
        else { return nil }
        return user
    }

    /// The chain that begins with a product; nil if it cannot be fused.
    func chain(from product: NodeID) -> Chain? {
        let node = graph.nodes[product]
        guard case .product(_, let channelAxis, let takesSums)? = node.op.fusionPart, node.isPure, node.attributes.type("T") == .float32,
            var next = user(of: product)
        else { return nil }
        var members = [product]
        // Front ends put Identity nodes with control edges behind gradients, so that all gradients wait for each other. The
        // chain includes them.
        while graph.nodes[next].op.passThrough == .identity, let user = user(of: next) {
            members.append(next)
            next = user
        }
        let sum = graph.nodes[next]
        guard sum.inputs.count == 2, let last = members.last, let position = sum.inputs.firstIndex(of: Endpoint(last)) else { return nil }
        members.append(next)
        let other = sum.inputs[1 - position]
        guard !graph.nodes[other.node].outputTypes[other.index].isReference else { return nil }
        var chain = Chain(members: members, argument: other)
        switch sum.op.fusionPart {
        case .bias where position == 0 && format(sum) == format(node): chain.operations = [ContractionChains.bias]
        case .sum:
            let shape = builder.shape(other)
            // A vector with the length of a row is a bias. If the shape is not known, the kernel decides.
            if shape.rank == 1, let length = shape[0], length > 1, format(node) == "NHWC",
                builder.shape(Endpoint(product))[channelAxis] == length
            {
                chain.operations = [ContractionChains.bias]
            } else {
                guard takesSums, [1, 2].contains(shape.rank ?? 2) else { return nil }
                chain.operations = [ContractionChains.sum]
            }
        default: return nil
        }
        if chain.operations == [ContractionChains.bias], let activation = user(of: next), case .activation? = graph.nodes[activation].op.fusionPart {
            chain.members.append(activation)
            chain.operations.append(graph.nodes[activation].op.name)
        }
        return waitersMayWaitForAll(chain) ? chain : nil
    }

    /// The data format, which determines the channel axis that a bias is added to.
    private func format(_ node: Node) -> String { node.attributes.string("data_format") ?? "NHWC" }

    /// Whether nodes that wait for a member may wait for the whole chain. They may not if the chain depends on them.
    private func waitersMayWaitForAll(_ chain: Chain) -> Bool {
        let waiting = Set(chain.members.dropLast().flatMap { waiters[$0] }).subtracting(chain.members)
        guard !waiting.isEmpty else { return true }
        var pending = [chain.argument.node] + chain.members.dropFirst().flatMap { graph.nodes[$0].controlInputs }
        var seen = Set(pending), next = 0
        while next < pending.count {
            let id = pending[next]
            next += 1
            if waiting.contains(id) { return false }
            for source in graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs {
                guard !graph.isBackEdge(from: source, to: id), seen.insert(source).inserted else { continue }
                guard seen.count <= ContractionChains.maximumVisits else { return false }
                pending.append(source)
            }
        }
        return true
    }

    /// Replaces the last node of the chain by the fused node.
    mutating func fuse(_ chain: Chain, _ op: OpDefinition) throws {
        let product = graph.nodes[chain.members[0]], id = chain.members[chain.members.count - 1], last = graph.nodes[id]
        var controls: [NodeID] = []
        for member in chain.members {
            for control in graph.nodes[member].controlInputs {
                waiters[control].removeAll { $0 == member }
                if !chain.members.contains(control), !controls.contains(control) { controls.append(control) }
            }
            for input in graph.nodes[member].inputs { users[input.node].removeAll { $0 == member } }
        }
        // The fused op has the product's own attributes under the same names.
        var attributes = Attributes(product.attributes.values.filter { op.schema.attribute($0.key) != nil })
        attributes["T"] = .type(.float32)
        attributes["num_args"] = .int(1)
        attributes["fused_ops"] = .strings(chain.operations.map { ByteString($0) })
        if op.schema.attribute("TArgs") != nil { attributes["TArgs"] = .types([.float32]) }
        if let alpha = last.attributes.float("alpha") { attributes["leakyrelu_alpha"] = .float(alpha) }
        var node = try Node(
            name: last.name, op: op, inputs: product.inputs + [chain.argument], controlInputs: controls,
            requestedDevice: last.requestedDevice, attributes: attributes)
        node.device = last.device
        graph.nodes[id] = node
        for input in node.inputs { users[input.node].append(id) }
        for control in controls { waiters[control].append(id) }
        // Nodes that waited for a member now wait for the fused node.
        for member in chain.members.dropLast() {
            for waiter in waiters[member] where waiter != id {
                graph.nodes[waiter].controlInputs.removeAll { $0 == member || $0 == id }
                graph.nodes[waiter].controlInputs.append(id)
                if !waiters[id].contains(waiter) { waiters[id].append(waiter) }
            }
            waiters[member] = []
        }
    }
}

extension OpDefinition {
    /// The name of the fused op, if this op is a product or convolution.
    fileprivate var fusedForm: String? { if case .product(let name, _, _)? = fusionPart { name } else { nil } }
}
