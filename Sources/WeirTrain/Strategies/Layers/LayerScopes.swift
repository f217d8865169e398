import WeirGraph

/// Which nodes of a model's graph are in which scope.
struct LayerScopes {
    private let graph: Graph
    /// The scopes around the whole model, which are not layers.
    private let around: [Substring]
    /// The scopes that the predictions need.
    private let bodies: Set<String>
    /// The names of the trained variables.
    private let parameters: [String]
    /// The scope of the nodes that are only for inference, which are in the layers of the same names; nil if there are none.
    private let inferenceScope: String?

    init(_ model: ModelGraph) {
        let graph = model.graph
        // Without named predictions, all that is not in the loss's scope leads to the loss.
        let inferenceScope = model.training?.inferenceScope
        func path(_ id: NodeID) -> [Substring] { LayerScopes.path(graph.nodes[id], inferenceScope) }
        let loss = model.lossWithoutUpdates.node
        let lossScope = path(loss).first
        let leads = graph.ancestors(of: [model.predictions?.node ?? loss] + (model.training.map { [$0.predictions.node] } ?? []))
        let isLossApart = model.predictions != nil || lossScope == nil
        let all = graph.nodes.indices.filter { leads[$0] && !LayerScopes.follows(graph.nodes[$0]) }.map(path)
        let apart = all.filter { !$0.isEmpty && (isLossApart || $0.first != lossScope) }
        let body = apart.isEmpty ? all.filter { !$0.isEmpty } : apart
        var depth = 0
        // Goes inward as long as one scope holds all nodes and there are several scopes in it.
        let deepest = body.map(\.count).max() ?? 0
        while depth < deepest, Set(body.filter { $0.count > depth }.map { $0[depth] }).count <= 1 { depth += 1 }
        if depth == deepest { depth = 0 }
        around = depth == 0 ? [] : Array(body.first { $0.count > depth }?.prefix(depth) ?? [])
        bodies = Set(body.compactMap { [around] path in LayerScopes.scope(in: path, around: around) })
        parameters = model.parameters.map(\.name)
        self.graph = graph
        self.inferenceScope = inferenceScope
    }

    /// Whether a scope is a layer: it leads to the predictions, or has a trained variable of its own.
    private func isLayer(_ scope: String) -> Bool { bodies.contains(scope) || parameters.contains { $0.hasPrefix(scope + "/") } }

    /// The layer's scope in which a node is; nil outside of all. Nodes that follow their consumers are in none.
    func layer(of id: NodeID) -> String? {
        guard !LayerScopes.follows(graph.nodes[id]), let scope = scope(of: id), isLayer(scope) else { return nil }
        return scope
    }
    /// Whether a node is in a scope that is no layer: that of the loss or of the metrics.
    func isAfterLayers(_ id: NodeID) -> Bool {
        guard !LayerScopes.follows(graph.nodes[id]), let scope = scope(of: id) else { return false }
        return !isLayer(scope)
    }
    /// Whether a node belongs to the layer that uses it: inputs, constants, variables.
    static func follows(_ node: Node) -> Bool {
        if node.role == .placeholder || node.role == .constant { return true }
        switch node.op.variableUse {
        case .handle, .reference, .read: return true
        case .gather, .assignment, .update, nil: return false
        }
    }

    private func scope(of id: NodeID) -> String? { LayerScopes.scope(in: LayerScopes.path(graph.nodes[id], inferenceScope), around: around) }
    private static func scope(in path: [Substring], around: [Substring]) -> String? {
        guard path.starts(with: around) else { return path.first.map(String.init) }
        return path.count > around.count ? path.prefix(around.count + 1).joined(separator: "/") : nil
    }
    /// The scopes of a node, the outermost first, without that of inference.
    private static func path(_ node: Node, _ inferenceScope: String?) -> [Substring] {
        let scopes = node.name.split(separator: "/").dropLast()
        return Array(scopes.first.map(String.init) == inferenceScope ? scopes.dropFirst() : scopes)
    }
}
