package import WeirTensor

/// Copies nodes of one graph into the graph of a builder: replicas of a model, stages of a pipeline.
///
/// Copies are built in the builder's current scopes: their names are under its name scope, and its device scopes apply where
/// the copied node does not ask for a device itself. A node is copied once by each `GraphCopy`, with all that it needs.
package struct GraphCopy {
    /// Builds what stands for the output of a node, from what stands for its inputs.
    package typealias Rewrite = @Sendable (_ inputs: [Output]) -> Output

    /// The builder of the copies.
    package let builder: GraphBuilder
    /// The graph that is copied.
    package let source: Graph
    private var outputs: [Endpoint: Output]
    private var operations: [NodeID: Operation]
    /// Operations that stand for nodes of which every use is replaced.
    private let replacedNodes: Set<NodeID>
    private let rewrites: [NodeID: Rewrite]

    /// Begins a copy.
    /// - Parameters:
    ///   - replacing: outputs of the builder's graph that stand for outputs of the source. What only they need is not copied.
    ///   - rewriting: nodes with one output, in place of which other nodes are built, in the scopes of the copy.
    package init(of source: Graph, in builder: GraphBuilder, replacing: [Endpoint: Output] = [:], rewriting: [NodeID: Rewrite] = [:]) {
        self.builder = builder
        self.source = source
        rewrites = rewriting
        outputs = replacing
        operations = [:]
        replacedNodes = Set(replacing.keys.map(\.node))
        for (endpoint, output) in replacing { operations[endpoint.node] = output.operation }
        builder.addLibrary(source.library)
    }

    /// The output that stands for an output of the source; nil if it is neither copied nor replaced.
    package subscript(endpoint: Endpoint) -> Output? { outputs[endpoint] }
    /// The operation that stands for a node of the source; nil if it is neither copied nor replaced.
    package func operation(_ id: NodeID) -> Operation? { operations[id] }

    /// Copies the nodes that these outputs need and returns the outputs that stand for them.
    /// - Throws: `invalidArgument` when an output does not exist.
    package mutating func copy(_ endpoints: [Endpoint]) throws(Status) -> [Output] {
        for endpoint in endpoints {
            guard source.nodes.indices.contains(endpoint.node), source.nodes[endpoint.node].outputTypes.indices.contains(endpoint.index) else {
                throw .invalidArgument("Copy of a graph: expected an output of one of its \(source.nodes.count) nodes, found \(endpoint)")
            }
        }
        copyNodes(endpoints.filter { outputs[$0] == nil }.map(\.node))
        if let failure = builder.failure { throw failure }
        return endpoints.compactMap { outputs[$0] }
    }

    /// Copies these nodes, which must exist, and all that they need.
    package mutating func copyNodes(_ roots: [NodeID]) {
        let order = nodesToCopy(roots)
        var backEdges: [(node: NodeID, input: Int)] = []
        for id in order { copyNode(id, &backEdges) }
        for edge in backEdges {
            guard let merge = operations[edge.node], let input = outputs[source.nodes[edge.node].inputs[edge.input]] else { continue }
            builder.replaceInput(edge.input, of: merge, with: input)
        }
        for id in order { renameColocation(of: id) }
    }

    /// The nodes that are neither copied nor replaced yet, each after all nodes that it needs except for a loop's back edge.
    private func nodesToCopy(_ roots: [NodeID]) -> [NodeID] {
        var order: [NodeID] = []
        var visited = Set<NodeID>()
        var stack: [(id: NodeID, isExpanded: Bool)] = roots.reversed().map { ($0, false) }
        var backEdges: [NodeID] = []
        while true {
            guard let (id, isExpanded) = stack.popLast() else {
                // What a loop's body needs follows what is needed to enter the loop.
                guard let next = backEdges.popLast() else { return order }
                stack.append((next, false))
                continue
            }
            if isExpanded {
                order.append(id)
                continue
            }
            guard operations[id] == nil || (replacedNodes.contains(id) && needsOwnCopy(id)), visited.insert(id).inserted else { continue }
            stack.append((id, true))
            let node = source.nodes[id]
            for control in node.controlInputs.reversed() { stack.append((control, false)) }
            for input in node.inputs.reversed() where outputs[input] == nil {
                if isBackEdge(input, to: node) { backEdges.append(input.node) } else { stack.append((input.node, false)) }
            }
        }
    }

    /// Whether a node has outputs that are not replaced.
    private func needsOwnCopy(_ id: NodeID) -> Bool {
        source.nodes[id].outputTypes.indices.contains { outputs[Endpoint(id, $0)] == nil }
    }

    private func isBackEdge(_ input: Endpoint, to node: Node) -> Bool {
        node.role == .merge && source.nodes[input.node].role == .nextIteration
    }

    private mutating func copyNode(_ id: NodeID, _ backEdges: inout [(node: NodeID, input: Int)]) {
        let node = source.nodes[id]
        var inputs: [Output] = []
        for (position, input) in node.inputs.enumerated() {
            if let output = outputs[input] {
                inputs.append(output)
            } else if isBackEdge(input, to: node), let first = node.inputs.lazy.compactMap({ [outputs] in outputs[$0] }).first {
                backEdges.append((id, position))
                inputs.append(first)
            } else {
                builder.record(.internalError("Copy of node '\(node.name)': its input \(position) is not copied"))
                return
            }
        }
        let controls = node.controlInputs.compactMap { operations[$0] }
        if let rewrite = rewrites[id] {
            let output = builder.controlDependencies(controls) { rewrite(inputs) }
            operations[id] = output.operation
            outputs[Endpoint(id)] = output
            return
        }
        let attributes = node.attributesOfCopy
        func add() -> Operation { builder.add(node.op.name, inputs, name: node.name, attributes: attributes, controls: controls) }
        let copy: Operation
        if let handle = inputs.first(where: { $0.dtype == .resource || $0.isReference }) {
            // What uses a resource runs on the resource's device.
            copy = builder.colocate(with: handle.operation, add)
        } else if node.requestedDevice.isEmpty {
            copy = add()
        } else {
            copy = builder.device(node.requestedDevice, add)
        }
        if operations[id] == nil { operations[id] = copy }
        for index in node.outputTypes.indices where outputs[Endpoint(id, index)] == nil { outputs[Endpoint(id, index)] = copy[index] }
    }

    /// Gives the copy the colocation groups of its node, under the names of the nodes that stand for the groups' nodes.
    private func renameColocation(of id: NodeID) {
        // A node that was built in place of another has the places that it was built for.
        guard rewrites[id] == nil, let groups = source.nodes[id].attributes.strings("_class"), let copy = operations[id], copy.builder === builder
        else { return }
        let renamed = groups.compactMap { group -> String? in
            let text = group.description
            guard text.hasPrefix("loc:@"), let node = source.index[String(text.dropFirst(5))], let other = operations[node] else { return nil }
            return "loc:@\(other.name)"
        }
        if !renamed.isEmpty { builder.setColocation(of: copy, renamed) }
    }
}

extension Node {
    /// The attributes of a copy in another graph.
    var attributesOfCopy: Attributes {
        var result = attributes
        // A resource without a name has its node's name, which changes.
        if op.holdsParameters, result.string("shared_name")?.isEmpty == true { result["shared_name"] = .string(name) }
        // The nodes of colocation groups have other names in the other graph.
        result["_class"] = nil
        return result
    }
}
