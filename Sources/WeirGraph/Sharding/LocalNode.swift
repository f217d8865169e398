public import WeirTensor

/// The part of a node's work that one device does: what a `ShardingRule` builds it from.
public struct LocalNode {
    /// The builder of the sharded graph.
    public let builder: GraphBuilder
    /// The node of the whole graph.
    public let node: Node
    /// The parts of the inputs that the device has.
    public let inputs: [Output]
    /// The shapes of the node's outputs in the whole graph.
    public let outputShapes: [PartialShape]
    /// How often each cut label is cut, and which part the device has.
    let parts: [DimensionLabel: (count: Int, index: Int)]

    /// The number of parts that the dimensions with this label are cut into; 1 if they are not cut.
    public func partCount(_ label: DimensionLabel) -> Int { parts[label]?.count ?? 1 }
    /// Which part of these dimensions the device has, counted from 0.
    public func partIndex(_ label: DimensionLabel) -> Int { parts[label]?.index ?? 0 }

    /// Adds the node with these inputs and returns its outputs.
    public func outputs(_ inputs: [Output]) -> [Output] {
        let operation = operation(inputs)
        return node.outputTypes.indices.map { operation[$0] }
    }
    /// Adds the node with these inputs.
    func operation(_ inputs: [Output]) -> Operation {
        builder.add(node.op.name, inputs, name: node.name, attributes: node.attributesOfCopy)
    }
    /// Adds a node of any op and returns its first output.
    public func op(_ name: String, _ inputs: Output..., attributes: Attributes = [:]) -> Output {
        builder.add(name, inputs, name: "\(node.name)/\(name)", attributes: attributes)[0]
    }
    /// Adds a vector of integers of a type. Records an error if a number does not fit it.
    public func constant(_ values: [Int], _ dtype: DType) -> Output {
        if dtype == .int64 { return builder.constant(Tensor(values.map { Int64($0) })) }
        let narrow = values.compactMap { Int32(exactly: $0) }
        if narrow.count < values.count { builder.record(.invalidArgument("Node '\(node.name)': expected values of int32, found \(values)")) }
        return builder.constant(Tensor(narrow))
    }
    /// Input `index`, a vector of the sizes of output 0, for this device's part of it. -1 stands for a size that is not known.
    public func localSizes(_ index: Int, _ labels: [DimensionLabel]) -> Output {
        let sizes = (outputShapes[0].dimensions ?? []).enumerated().map { axis, size in
            size.map { $0 / (labels.indices.contains(axis) ? partCount(labels[axis]) : 1) } ?? -1
        }
        return constant(sizes, inputs[index].dtype)
    }
}
