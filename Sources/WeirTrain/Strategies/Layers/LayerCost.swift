public import WeirGraph
import WeirOps
public import WeirTensor

/// An estimate of what each node of a model costs in a step. A `LayerAssignment` balances the devices' sums.
public struct LayerCost: Sendable {
    /// Estimates the cost of each node, in any unit, by the node's number. Nodes that are not in the result cost nothing.
    public typealias Estimate = @Sendable (_ model: ModelGraph, _ rowCount: Int) throws(Status) -> [NodeID: Double]
    private let estimate: Estimate

    /// Makes an estimate.
    public init(_ estimate: @escaping Estimate) { self.estimate = estimate }

    /// The floating-point operations of the forward nodes, from their shapes. Gradients cost about twice as much in every layer, so
    /// they do not change the balance.
    public static let operations = LayerCost { (model, rowCount) throws(Status) in
        // A copy with the number of rows as a known dimension, so that all shapes that follow from it are known.
        let builder = GraphBuilder(registry: .standard)
        var replacing: [Endpoint: Output] = [:]
        for (name, endpoint) in model.inputs {
            let node = model.graph.nodes[endpoint.node]
            var dimensions = node.attributes.shape("shape")?.dimensions
            if let declared = dimensions, !declared.isEmpty, declared[0] == nil { dimensions?[0] = rowCount }
            guard let dtype = node.outputTypes.first?.dtype else { continue }
            replacing[endpoint] = builder.placeholder(dtype, shape: PartialShape(dimensions), name: name)
        }
        var copy = GraphCopy(of: model.graph, in: builder, replacing: replacing)
        _ = try copy.copy([model.loss])
        var costs: [NodeID: Double] = [:]
        for id in model.graph.nodes.indices {
            if let copied = copy.operation(id) { costs[id] = builder.cost(of: copied.id) }
        }
        return costs
    }

    /// Times of a traced step on one device, by the node's name: the model's own, or that of a copy under one more name scope, such
    /// as `tower0/hidden1/MatMul`. A fused node counts for the node whose name it has.
    public static func measured(_ seconds: [String: Double]) -> LayerCost {
        LayerCost { (model, _) throws(Status) in
            var costs: [NodeID: Double] = [:]
            for (name, time) in seconds {
                let inner = name.split(separator: "/").dropFirst().joined(separator: "/")
                guard time.isFinite, time >= 0 else { throw .invalidArgument("Times of nodes must be finite and not negative, found \(time) for '\(name)'") }
                if let id = model.graph.index[name] ?? model.graph.index[inner] { costs[id, default: 0] += time }
            }
            guard !costs.isEmpty else {
                throw .invalidArgument(
                    "None of the \(seconds.count) measured nodes is one of the model's, such as '\(model.graph.nodes[model.loss.node].name)'; found "
                        + seconds.keys.sorted().prefix(3).joined(separator: ", "))
            }
            return costs
        }
    }

    /// The cost of each layer.
    /// - Parameter rowCount: the number of rows of a batch.
    /// - Throws: the errors of the estimate.
    public func layers(of cut: LayerCut, _ model: ModelGraph, rowCount: Int) throws(Status) -> [Double] {
        var result = [Double](repeating: 0, count: cut.layers.count)
        for (id, cost) in try estimate(model, rowCount) {
            if cut.layerOfNode.indices.contains(id), let layer = cut.layerOfNode[id] { result[layer] += cost }
        }
        return result
    }
}
