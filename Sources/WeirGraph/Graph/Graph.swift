public import WeirTensor

/// A graph of operations with resolved edges: an array of nodes, and the library of the functions that they call.
///
/// A graph is a value: a pass takes one and returns another. A node's ID is its index in `nodes` and does not change; a pass
/// that removes nodes creates a new graph.
public struct Graph: Sendable {
    /// The nodes. The index is the `NodeID`.
    public var nodes: [Node]
    /// The functions that the nodes call.
    public var library: FunctionLibrary
    /// The GraphDef versions of the graph.
    public var versions: GraphVersions
    /// The node IDs by node name.
    public private(set) var index: [String: NodeID]

    /// An empty graph.
    public init(library: FunctionLibrary = FunctionLibrary(), versions: GraphVersions = .current) {
        nodes = []
        index = [:]
        self.library = library
        self.versions = versions
    }

    /// The node of this name; nil if there is none.
    public func node(named name: String) -> Node? { index[name].map { nodes[$0] } }

    /// Adds a node. Its inputs must exist already, or be added before the graph is used.
    /// - Returns: the node's ID.
    /// - Throws: `invalidArgument` when the name is taken.
    @discardableResult public mutating func add(_ node: Node) throws(Status) -> NodeID {
        guard index[node.name] == nil else {
            throw .invalidArgument("Node '\(node.name)' already exists in the graph")
        }
        index[node.name] = nodes.count
        nodes.append(node)
        return nodes.count - 1
    }

    /// Checks that every edge comes from an output that exists, and that every node has the inputs of its op. A program that
    /// changes `nodes` itself may break this. Cycles and types are not checked.
    /// - Throws: `invalidArgument` that names the node.
    /// - Complexity: O(nodes + edges).
    public func validate() throws(Status) {
        for node in nodes {
            guard node.inputs.count == node.inputTypes.count else {
                throw .invalidArgument("Node '\(node.name)' (op \(node.op.name)) takes \(node.inputTypes.count) inputs, found \(node.inputs.count)")
            }
            for (position, input) in node.inputs.enumerated() {
                guard nodes.indices.contains(input.node), nodes[input.node].outputTypes.indices.contains(input.index) else {
                    throw .invalidArgument("Input \(position) of node '\(node.name)' is output \(input.index) of node \(input.node), which does not exist")
                }
            }
            if let missing = node.controlInputs.first(where: { !nodes.indices.contains($0) }) {
                throw .invalidArgument("Node '\(node.name)' waits for node \(missing), which does not exist")
            }
        }
    }

    /// `base`, or `base_1`, `base_2`… if a node has that name.
    public func uniqueName(_ base: String) -> String {
        guard index[base] != nil else { return base }
        var number = 1
        while index["\(base)_\(number)"] != nil { number += 1 }
        return "\(base)_\(number)"
    }

    /// The graph of the nodes for which `keep` is true, with new IDs. Control edges from removed nodes are removed.
    /// - Throws: `internalError` when a remaining node uses the output of a removed node.
    public func filtered(_ keep: (NodeID) -> Bool) throws(Status) -> Graph {
        var map = [NodeID](repeating: -1, count: nodes.count)
        var result = Graph(library: library, versions: versions)
        var next = 0
        for id in nodes.indices where keep(id) {
            map[id] = next
            next += 1
        }
        result.nodes.reserveCapacity(next)
        for id in nodes.indices where map[id] >= 0 {
            var node = nodes[id]
            for (position, input) in node.inputs.enumerated() {
                guard map[input.node] >= 0 else {
                    throw .internalError("Node '\(node.name)' uses '\(nodes[input.node].name)', which was dropped")
                }
                node.inputs[position].node = map[input.node]
            }
            node.controlInputs = node.controlInputs.compactMap { map[$0] >= 0 ? map[$0] : nil }
            try result.add(node)
        }
        return result
    }

    /// The given nodes and all nodes that they depend on, through data and control edges: for each node ID whether it is one of
    /// them.
    /// - Complexity: O(nodes + edges).
    package func ancestors(of roots: some Sequence<NodeID>) -> [Bool] {
        var reached = [Bool](repeating: false, count: nodes.count)
        var stack = Array(roots)
        for root in stack { reached[root] = true }
        while let id = stack.popLast() {
            for next in nodes[id].inputs.lazy.map(\.node) where !reached[next] {
                reached[next] = true
                stack.append(next)
            }
            for next in nodes[id].controlInputs where !reached[next] {
                reached[next] = true
                stack.append(next)
            }
        }
        return reached
    }
}
