import WeirGraph
public import WeirTensor

/// The layers of a model: the places between which it can be cut into stages for several devices.
///
/// A layer is a name scope of the first level, or of the first level at which there are several if one scope holds the whole
/// model. Layers are in topological order. A node outside of all scopes belongs to the last layer among those that its inputs
/// come from, or to the first of its consumers; a variable belongs to the first layer that uses it; the loss and the metrics
/// belong to the last layer. Nodes that are only for inference belong to the layers of the same names.
public struct LayerCut: Sendable {
    /// A layer.
    public struct Layer: Sendable {
        /// The name of its scope; `model` if the model has no scopes.
        public let name: String
        /// The device that the model itself asks for, with `GraphBuilder.device`; nil if it asks for none.
        public let requestedDevice: DeviceName?
        /// The bytes of the variables that belong to the layer.
        public let parameterByteCount: Int
    }
    /// The layers, each after those whose outputs it uses. There is at least one.
    public let layers: [Layer]
    /// The layer of each node; nil for nodes that neither the loss nor the predictions nor the metrics need.
    let layerOfNode: [Int?]
    /// Whether a layer must be with the layer before it, because layers up to there use its output and it uses theirs.
    let isJoined: [Bool]

    /// Finds the layers of a model.
    /// - Throws: `invalidArgument` when nodes of one layer ask for different devices, or the graph has a cycle.
    /// - Complexity: O((nodes + edges) · layers).
    public init(_ model: ModelGraph) throws(Status) {
        let graph = model.graph
        let order = graph.topologicalOrder()
        guard order.count == graph.nodes.count else { throw .invalidArgument("The model's graph has a cycle, so its layers have no order") }
        let needed = graph.ancestors(
            of: [model.loss.node, model.evaluationLoss.node] + (model.predictions.map { [$0.node] } ?? []) + model.metrics.values.map(\.node))
        let isTrained = graph.ancestors(of: [model.loss.node])
        let assignment = LayerOrder(graph, LayerScopes(model), isTrained: isTrained, order)
        let layerOfNode = assignment.layers(needed: needed)
        var isJoined = [Bool](repeating: false, count: assignment.names.count)
        for id in graph.nodes.indices where isTrained[id] {
            for input in graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs {
                guard let from = layerOfNode[input], let to = layerOfNode[id], from > to else { continue }
                for layer in to + 1...from { isJoined[layer] = true }
            }
        }
        self.isJoined = isJoined
        var layers: [Layer] = []
        for (index, name) in assignment.names.enumerated() {
            let members = graph.nodes.indices.filter { layerOfNode[$0] == index }
            let devices = Set(members.map { graph.nodes[$0].requestedDevice }).subtracting([""]).sorted()
            guard devices.count <= 1 else {
                throw .invalidArgument("Layer '\(name)' must be on one device; its nodes ask for \(devices.joined(separator: " and "))")
            }
            let variables = (model.parameters + model.otherVariables).filter { layerOfNode[$0.handle] == index }
            layers.append(
                Layer(
                    name: name, requestedDevice: try devices.first.map { text throws(Status) in try DeviceName(text) },
                    parameterByteCount: variables.reduce(0) { $0 &+ $1.byteCount }))
        }
        self.layers = layers
        self.layerOfNode = layerOfNode
    }

    /// The names of the layers, for messages.
    var list: String { layers.map(\.name).joined(separator: ", ") }
}
