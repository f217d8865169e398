package import WeirTensor

/// What a sharding pass needs to know of a graph's nodes, for any mesh: the order in which they are computed, how they can be
/// divided, and which values never have to be moved.
package struct ShardingFacts: Sendable {
    let graph: Graph
    /// The graph's shapes and known values.
    let source: GraphBuilder
    /// The nodes that the roots need, each after its inputs but for the back edges of loops.
    let order: [NodeID]
    /// The values that are known now. Every device makes its own, so that they are neither sent nor split.
    let constants: [Endpoint: Tensor]
    /// How nodes can be divided; missing for those that one device computes.
    let rules: [NodeID: NodeRule]
    /// For each node, whether it is computed from variables and constants alone. Such values are not moved if others can be.
    let isFixed: [Bool]
    /// The shapes for a batch of `rowCount` rows, for estimates.
    private let estimates: GraphBuilder
    private let rowCount: Int

    /// - Parameters:
    ///   - roots: what is computed.
    ///   - rowCount: the number of rows that estimates take for unknown dimensions of placeholders.
    /// - Throws: the first error of the graph's shapes.
    package init(_ graph: Graph, roots: [Endpoint], rowCount: Int) throws(Status) {
        let builder = GraphBuilder(extending: graph, registry: OpRegistry())
        if let failure = builder.failure { throw failure }
        self.graph = graph
        self.rowCount = max(1, rowCount)
        source = builder
        let estimates = GraphBuilder(extending: ShardingFacts.batch(of: graph, max(1, rowCount)), registry: OpRegistry())
        self.estimates = estimates.failure == nil ? estimates : builder
        var constants: [Endpoint: Tensor] = [:]
        for (id, node) in graph.nodes.enumerated() where node.isPure && node.controlInputs.isEmpty {
            for index in node.outputTypes.indices { constants[Endpoint(id, index)] = builder.constant(Endpoint(id, index)) }
        }
        self.constants = constants
        order = ShardingFacts.order(of: graph, roots, constants)
        var rules: [NodeID: NodeRule] = [:]
        var isFixed = [Bool](repeating: false, count: graph.nodes.count)
        for id in order {
            let node = graph.nodes[id]
            isFixed[id] =
                node.op.variableUse == .handle || node.op.variableUse == .read
                || (node.isPure && !node.inputs.isEmpty && node.inputs.allSatisfy { constants[$0] != nil || isFixed[$0.node] })
            let context = ShardingContext(node: node, id: id, builder: builder)
            rules[id] = node.op.sharding?(context).map { NodeRule($0, context) }
        }
        self.rules = rules
        self.isFixed = isFixed
    }

    /// The estimated size of a value.
    func byteCount(_ endpoint: Endpoint) -> Double {
        let shape = source.handleShape(endpoint)?.shape ?? estimates.shape(endpoint)
        let type = source.handleShape(endpoint)?.dtype ?? source.portType(endpoint).dtype
        let sizes = shape.dimensions?.map { Double($0 ?? rowCount) } ?? [Double(rowCount)]
        return sizes.reduce(Double(max(1, type.byteCount)), *)
    }

    /// Whether a sum over a dimension of the variable, a product or a convolution, or a lookup uses it.
    package func isMultiplied(_ handle: NodeID) -> Bool {
        var carriers: Set<NodeID> = [handle]
        for id in order where graph.nodes[id].inputs.contains(where: { carriers.contains($0.node) }) {
            if isFixed[id] {
                carriers.insert(id)
            } else if graph.nodes[id].op.variableUse == .gather || rules[id]?.rule.sums.isEmpty == false {
                return true
            }
        }
        return false
    }
    /// Whether a product whose work could be divided along this dimension uses an output, possibly reshaped: a dimension of heads.
    func isDividable(_ endpoint: Endpoint, along dimension: Int) -> Bool {
        var places: [Endpoint: Int] = [endpoint: dimension]
        for id in order {
            guard let rule = rules[id] else { continue }
            for (index, input) in graph.nodes[id].inputs.enumerated() {
                guard let place = places[input] else { continue }
                let label = rule.rule.label(ofInput: index, place)
                guard rule.allows(label) else { continue }
                if !rule.rule.sums.isEmpty, !rule.rule.sums.contains(label) { return true }
                for (output, labels) in rule.rule.outputs.enumerated() {
                    if let position = labels.firstIndex(of: label) { places[Endpoint(id, output)] = position }
                }
            }
        }
        return false
    }
    /// Whether a cut into `count` parts may end at a node, because sizes that are cut alike are not all divisible.
    package func hasConflicts(into count: Int) -> Bool { rules.values.contains { $0.hasConflicts(into: count) } }

    /// The graph with a known number of rows in its placeholders.
    private static func batch(of graph: Graph, _ rowCount: Int) -> Graph {
        var result = graph
        for (id, node) in graph.nodes.enumerated() where node.role == .placeholder {
            guard let dimensions = node.attributes.shape("shape")?.dimensions else { continue }
            result.nodes[id].attributes["shape"] = .shape(PartialShape(dimensions.map { $0 ?? rowCount }))
        }
        return result
    }

    private static func order(of graph: Graph, _ roots: [Endpoint], _ constants: [Endpoint: Tensor]) -> [NodeID] {
        var order: [NodeID] = []
        var visited = Set<NodeID>()
        var stack: [(id: NodeID, isExpanded: Bool)] = roots.reversed().filter { constants[$0] == nil }.map { ($0.node, false) }
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
            guard visited.insert(id).inserted else { continue }
            stack.append((id, true))
            let node = graph.nodes[id]
            for control in node.controlInputs.reversed() { stack.append((control, false)) }
            for input in node.inputs.reversed() where constants[input] == nil {
                if node.role == .merge, graph.nodes[input.node].role == .nextIteration {
                    backEdges.append(input.node)
                } else {
                    stack.append((input.node, false))
                }
            }
        }
    }
}

/// The sharding rule of one node, with the sizes of the dimensions that have a label.
struct NodeRule: Sendable {
    let rule: ShardingRule
    /// The known sizes of the dimensions with a label.
    private let sizes: [DimensionLabel: [Int]]

    init(_ rule: ShardingRule, _ c: ShardingContext) {
        var sizes: [DimensionLabel: [Int]] = [:]
        func note(_ labels: [DimensionLabel], _ shape: PartialShape) {
            for (dimension, label) in labels.enumerated() { if let size = shape[dimension] { sizes[label, default: []].append(size) } }
        }
        for (index, labels) in rule.inputs.enumerated() { note(labels, c.input(index)) }
        for (index, labels) in rule.outputs.enumerated() { note(labels, c.output(index)) }
        self.rule = rule
        self.sizes = sizes
    }

    /// Whether the op allows a cut of the dimensions with this label.
    func allows(_ label: DimensionLabel) -> Bool {
        label != .whole && (rule.sums.contains(label) || rule.outputs.allSatisfy { $0.contains(label) })
    }
    /// Whether these dimensions can be cut into `count` equal parts, as far as their sizes are known.
    func divides(_ label: DimensionLabel, into count: Int) -> Bool { sizes[label, default: []].allSatisfy { $0 % count == 0 } }
    /// Whether `count` divides some but not all sizes of dimensions with one label.
    func hasConflicts(into count: Int) -> Bool { sizes.keys.contains { $0 != .whole && conflict($0, into: count) != nil } }
    /// The sizes of these dimensions that `count` does not divide, if it divides others; nil otherwise.
    func conflict(_ label: DimensionLabel, into count: Int) -> (divided: Int, undivided: Int)? {
        guard let divided = sizes[label]?.first(where: { $0 > 0 && $0 % count == 0 }), let other = sizes[label]?.first(where: { $0 % count != 0 }) else {
            return nil
        }
        return (divided, other)
    }
}
