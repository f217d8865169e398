import WeirTensor

/// Makes one node of a matrix product and what is done to it next: a bias and an activation, or a sum.
public struct ProductFusion: GraphPass {
    private static let activations: Set<String> = ["Relu", "Relu6", "Elu", "LeakyRelu", "Tanh", "Sigmoid"]

    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        guard let fused = environment.registry["_FusedMatMul"], graph.nodes.contains(where: { $0.op.name == "MatMul" }) else {
            return graph
        }
        let order = graph.topologicalOrder()
        guard order.count == graph.nodes.count else { return graph }
        let chains = ProductChains(graph, order, environment.registry)
        var graph = graph
        var isMember = [Bool](repeating: false, count: graph.nodes.count)
        var isLast = isMember
        for id in order where graph.nodes[id].op.name == "MatMul" {
            // The sum of two products is one node with one of them.
            guard let chain = chains.chain(from: id), !chain.members.contains(where: { isMember[$0] }) else { continue }
            let last = chain.members[chain.members.count - 1]
            graph.nodes[last] = try ProductFusion.node(chain, fused, in: graph)
            for member in chain.members { isMember[member] = true }
            isLast[last] = true
        }
        return try graph.filtered { !isMember[$0] || isLast[$0] }
    }

    private static func node(_ chain: ProductChains.Chain, _ op: OpDefinition, in graph: Graph) throws -> Node {
        let product = graph.nodes[chain.members[0]], last = graph.nodes[chain.members[chain.members.count - 1]]
        var controls: [NodeID] = []
        for member in chain.members {
            for control in graph.nodes[member].controlInputs where !chain.members.contains(control) && !controls.contains(control) {
                controls.append(control)
            }
        }
        var attributes: Attributes = [
            "T": .type(.float32), "num_args": .int(1),
            "fused_ops": .strings(chain.operations.map { ByteString($0) }),
            "transpose_a": .bool(product.attributes.bool("transpose_a") ?? false),
            "transpose_b": .bool(product.attributes.bool("transpose_b") ?? false),
        ]
        if let alpha = last.attributes.float("alpha") { attributes["leakyrelu_alpha"] = .float(alpha) }
        var node = try Node(
            name: last.name, op: op, inputs: product.inputs + [chain.argument], controlInputs: controls,
            requestedDevice: last.requestedDevice, attributes: attributes)
        node.device = last.device
        return node
    }

    fileprivate static func isActivation(_ node: Node) -> Bool { activations.contains(node.op.name) }
}

/// Finds what may be done together with a product.
private struct ProductChains {
    struct Chain {
        /// From the product to the node whose result it is.
        var members: [NodeID]
        /// As `fused_ops` calls them.
        var operations: [String]
        /// The bias, or the other summand.
        var argument: Endpoint
    }

    private let graph: Graph
    private let builder: GraphBuilder
    private let branches: BranchSets
    /// By node, who uses its values and waits for it; more than two do not matter.
    private var users: [[NodeID]]

    init(_ graph: Graph, _ order: [NodeID], _ registry: OpRegistry) {
        self.graph = graph
        builder = GraphBuilder(extending: graph, registry: registry)
        branches = BranchSets(graph, order)
        users = [[NodeID]](repeating: [], count: graph.nodes.count)
        for (id, node) in graph.nodes.enumerated() {
            for source in node.inputs.map(\.node) + node.controlInputs where users[source].count < 2 { users[source].append(id) }
        }
    }

    /// The one node that uses a node's value, where there is one, that runs whenever that does.
    private func user(of id: NodeID) -> NodeID? {
        guard users[id].count == 1, let user = users[id].first, branches.numbers[user] == branches.numbers[id],
            graph.nodes[user].isPure, graph.nodes[user].attributes.type("T") == .float32,
            !graph.nodes[user].controlInputs.contains(id), graph.nodes[user].device == graph.nodes[id].device
        else { return nil }
        return user
    }

    func chain(from product: NodeID) -> Chain? {
        let node = graph.nodes[product]
        guard node.isPure, node.attributes.type("T") == .float32, let next = user(of: product) else { return nil }
        let sum = graph.nodes[next]
        guard sum.inputs.count == 2, let position = sum.inputs.firstIndex(of: Endpoint(product)) else { return nil }
        let other = sum.inputs[1 - position]
        guard !graph.nodes[other.node].outputTypes[other.index].isReference else { return nil }
        switch sum.op.name {
        case "BiasAdd" where position == 0 && sum.attributes.string("data_format") != "NCHW": break
        case "Add", "AddV2":
            let shape = builder.shape(other)
            // A vector as long as a row is a bias; of what may be one or may not, the kernel finds out.
            if shape.rank == 1, let length = shape[0], length > 1, builder.shape(Endpoint(product))[1] == length { break }
            guard [1, 2].contains(shape.rank ?? 2) else { return nil }
            return Chain(members: [product, next], operations: ["Add"], argument: other)
        default: return nil
        }
        guard let last = user(of: next), ProductFusion.isActivation(graph.nodes[last]) else {
            return Chain(members: [product, next], operations: ["BiasAdd"], argument: other)
        }
        return Chain(members: [product, next, last], operations: ["BiasAdd", graph.nodes[last].op.name], argument: other)
    }
}
