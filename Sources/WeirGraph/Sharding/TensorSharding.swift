/// How a tensor is laid out over a mesh: one placement for each axis.
package struct TensorSharding: Hashable, Sendable {
    /// How a tensor is laid out along one axis.
    package enum Placement: Hashable, Sendable {
        /// The first device has it; others get it when they need it.
        case whole
        /// Each device has an equal part of this dimension.
        case cut(Int)
        /// Each device has a tensor of the full shape, and their sum is meant.
        case partial
    }

    /// The placements by axis.
    package var placements: [Placement]

    /// A tensor that the mesh's first device has.
    package static func whole(_ mesh: DeviceMesh) -> TensorSharding {
        TensorSharding(placements: Array(repeating: .whole, count: mesh.axes.count))
    }
    /// A tensor of which a dimension is cut along one axis.
    package static func cut(_ dimension: Int, along axis: Int, of mesh: DeviceMesh) -> TensorSharding {
        var result = whole(mesh)
        result.placements[axis] = .cut(dimension)
        return result
    }
    /// Whether one device has it.
    package var isWhole: Bool { placements.allSatisfy { $0 == .whole } }
    /// The dimension that is cut along an axis; nil if none is.
    package func dimension(cutAlong axis: Int) -> Int? { if case .cut(let dimension) = placements[axis] { dimension } else { nil } }
}

/// How a node is computed on a mesh.
package struct NodeSharding: Hashable, Sendable {
    /// What the devices along an axis do.
    enum Division: Hashable, Sendable {
        /// The first computes the node.
        case none
        /// Each computes a part, of the dimensions with this label.
        case label(DimensionLabel)
        /// Each computes the node for one addend of its inputs.
        case addends
    }

    /// The divisions by axis.
    var divisions: [Division]
    /// The shardings in which the inputs are needed.
    package var inputs: [TensorSharding]
    /// The shardings of the outputs.
    package var outputs: [TensorSharding]

    /// Whether several devices along an axis compute a part.
    func spans(_ axis: Int) -> Bool { divisions[axis] != .none }
}

/// What a node of a graph is on a mesh: the result of a `ShardingPass`.
package struct ShardingPlan: Sendable {
    /// The graph.
    package let graph: Graph
    /// The mesh.
    package let mesh: DeviceMesh
    /// The nodes to compute, each after its inputs but for the back edges of loops.
    package let order: [NodeID]
    /// The sharding of each of them.
    package let nodes: [NodeID: NodeSharding]
    /// The estimated number of bytes that devices send to each other in a step forward.
    package let movedByteCount: Double
    /// What is known of the graph's nodes.
    let facts: ShardingFacts

    /// The sharding of an output; whole if it is not computed.
    package func sharding(of endpoint: Endpoint) -> TensorSharding {
        guard let outputs = nodes[endpoint.node]?.outputs, outputs.indices.contains(endpoint.index) else { return .whole(mesh) }
        return outputs[endpoint.index]
    }
}
