public import WeirGraph
public import WeirTensor

/// A variable of a model's graph.
public struct ModelVariable: Sendable {
    /// The name under which sessions share it.
    public let name: String
    /// The node of its handle.
    public let handle: NodeID
    /// Its initial value.
    public let initialValue: Endpoint
    /// The element type.
    public let dtype: DType
    /// The shape.
    public let shape: Shape

    /// Whether every use is a gather of rows, so that a batch has a gradient for some rows only.
    public let isGathered: Bool
    /// Whether the model changes it in a step, as it does with moving averages.
    public let isUpdated: Bool
    /// A node that uses the variable neither by reading its value nor by gathering rows, so that it must not be cut; nil if there
    /// is none.
    let otherUse: NodeID?

    /// The bytes of its value; `Int.max` if they are more.
    public var byteCount: Int {
        let (count, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        return overflow ? .max : count
    }

    /// The variables that these endpoints need, in the order of the graph's nodes.
    /// - Parameter initializers: by the name of a variable, the node that assigns its initial value.
    /// - Throws: `invalidArgument` when a variable has no initial value, more than one handle, or no known shape.
    static func all(of graph: Graph, needed endpoints: [Endpoint], _ initializers: [String: String]) throws(Status) -> [ModelVariable] {
        let needed = graph.ancestors(of: endpoints.map(\.node))
        var assignments: [NodeID: [NodeID]] = [:]
        var uses: [NodeID: [NodeID]] = [:]
        for (id, node) in graph.nodes.enumerated() {
            if node.op.variableUse == .assignment, let handle = node.inputs.first { assignments[handle.node, default: []].append(id) }
            if needed[id] { for input in node.inputs where node.op.variableUse != .handle { uses[input.node, default: []].append(id) } }
        }
        var result: [ModelVariable] = []
        for (id, node) in graph.nodes.enumerated() where needed[id] && node.op.variableUse == .handle {
            let shared = node.attributes.string("shared_name") ?? ""
            // Handles with this name, which TensorFlow gives to variables without one, are of different variables.
            let isAnonymous = shared.isEmpty || shared == ResourceHandle.anonymousName
            let name = isAnonymous ? node.name : shared
            if let other = result.first(where: { $0.name == name }) {
                throw .invalidArgument("Nodes '\(graph.nodes[other.handle].name)' and '\(node.name)' are handles of one variable, '\(name)'; expected one node")
            }
            guard let dtype = node.attributes.type("dtype"), let shape = node.attributes.shape("shape")?.known else {
                throw .invalidArgument("Variable '\(name)' must have a known shape, found \(node.attributes.shape("shape").map { "\($0)" } ?? "none")")
            }
            var found = (assignments[id] ?? []).filter { !needed[$0] && isInitial($0, of: id, graph) }
            if let chosen = initializers[name], let assignment = graph.index[chosen] { found = found.filter { $0 == assignment } }
            guard let assignment = found.first(where: { graph.nodes[$0].name.hasPrefix("\(node.name)/") }) ?? found.min() else {
                throw .invalidArgument("Variable '\(name)' has no initial value: the graph assigns none")
            }
            let own = uses[id] ?? []
            let others = own.filter { !(graph.nodes[$0].gathersRows && graph.nodes[$0].inputs.first?.node == id) }
            result.append(
                ModelVariable(
                    name: name, handle: id, initialValue: graph.nodes[assignment].inputs[1], dtype: dtype, shape: shape,
                    isGathered: !own.isEmpty && others.isEmpty && shape.rank > 0 && shape.elementCount > 0,
                    isUpdated: own.contains { [.assignment, .update].contains(graph.nodes[$0].op.variableUse) },
                    otherUse: others.first { graph.nodes[$0].op.variableUse != .read }))
        }
        return result
    }

    /// Whether a node assigns an initial value: one that neither depends on the variable, as an update does, nor comes from a file,
    /// as a restored value does.
    private static func isInitial(_ assignment: NodeID, of handle: NodeID, _ graph: Graph) -> Bool {
        let sources = graph.ancestors(of: graph.nodes[assignment].inputs.dropFirst().map(\.node))
        return !sources[handle] && !graph.nodes.indices.contains { sources[$0] && graph.nodes[$0].op.readsFiles }
    }
}

extension Node {
    /// Whether the node gathers rows of a variable, each with one index.
    var gathersRows: Bool { op.variableUse == .gather && inputs.count > 1 && attributes.int("batch_dims") ?? 0 == 0 }
}
