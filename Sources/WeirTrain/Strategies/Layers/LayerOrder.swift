import WeirGraph

/// Sorts the layers of a graph and assigns each node to one.
struct LayerOrder {
    /// The layers' names, in topological order.
    let names: [String]
    private let graph: Graph
    private let scopes: LayerScopes
    /// The nodes in topological order.
    private let order: [NodeID]
    private let position: [String: Int]
    /// For each node, the layers that it depends on through nodes that are in no layer; its own layer if it has one.
    private let sources: [Set<Int>]
    /// Whether a node depends on the loss's or the metrics' nodes, or is one.
    private let isAfterLayers: [Bool]

    /// - Parameter isTrained: whether the loss depends on a node. The order follows from these.
    init(_ graph: Graph, _ scopes: LayerScopes, isTrained: [Bool], _ order: [NodeID]) {
        self.graph = graph
        self.scopes = scopes
        self.order = order
        // Numbered in the order in which the program built them, which decides where the edges do not.
        var numbers: [String: Int] = [:]
        var found: [String] = []
        for id in graph.nodes.indices where isTrained[id] {
            guard let name = scopes.layer(of: id), numbers[name] == nil else { continue }
            numbers[name] = found.count
            found.append(name)
        }
        var sources = [Set<Int>](repeating: [], count: graph.nodes.count)
        var isAfterLayers = [Bool](repeating: false, count: graph.nodes.count)
        var next = [Set<Int>](repeating: [], count: found.count)
        for id in order {
            let node = graph.nodes[id]
            let inputs = node.inputs.map(\.node) + node.controlInputs
            let union = inputs.reduce(into: Set<Int>()) { $0.formUnion(sources[$1]) }
            if let name = scopes.layer(of: id), let layer = numbers[name] {
                sources[id] = [layer]
                if isTrained[id] { for source in union where source != layer { next[source].insert(layer) } }
            } else {
                sources[id] = union
                isAfterLayers[id] = scopes.isAfterLayers(id) || inputs.contains { isAfterLayers[$0] }
            }
        }
        let sorted = LayerOrder.sorted(next)
        var place = [Int](repeating: 0, count: found.count)
        for (index, layer) in sorted.enumerated() { place[layer] = index }
        self.sources = sources.map { Set($0.map { place[$0] }) }
        self.isAfterLayers = isAfterLayers
        names = found.isEmpty ? ["model"] : sorted.map { found[$0] }
        position = numbers.mapValues { place[$0] }
    }

    /// Sorts layers topologically. Where layers use each other, the one with the least number comes first.
    private static func sorted(_ next: [Set<Int>]) -> [Int] {
        var pending = [Int](repeating: 0, count: next.count)
        for layer in next.indices { for target in next[layer] { pending[target] += 1 } }
        var left = Set(next.indices)
        var result: [Int] = []
        while let first = left.filter({ pending[$0] <= 0 }).min() ?? left.min() {
            left.remove(first)
            result.append(first)
            for target in next[first] { pending[target] -= 1 }
        }
        return result
    }

    /// The layer of each node that is needed.
    func layers(needed: [Bool]) -> [Int?] {
        let last = names.count - 1
        var result = [Int?](repeating: nil, count: graph.nodes.count)
        for id in order where needed[id] && !LayerScopes.follows(graph.nodes[id]) {
            if let name = scopes.layer(of: id), let layer = position[name] {
                result[id] = layer
            } else {
                result[id] = isAfterLayers[id] ? last : sources[id].max()
            }
        }
        // The others belong to the first layer that uses them; each comes after its consumers.
        var first = [Int?](repeating: nil, count: graph.nodes.count)
        for id in order.reversed() where needed[id] {
            let layer = result[id] ?? first[id] ?? last
            result[id] = layer
            for input in graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs { first[input] = min(first[input] ?? layer, layer) }
        }
        // What uses a variable's handle runs where the variable is.
        for id in order where needed[id] {
            let node = graph.nodes[id]
            for (input, type) in zip(node.inputs, node.inputTypes) where type.isReference || type.dtype == .resource {
                result[id] = result[input.node] ?? result[id]
            }
        }
        return result
    }
}
