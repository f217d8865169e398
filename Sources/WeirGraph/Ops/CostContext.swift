public import WeirTensor

/// The input of an op's cost function: a node's attributes, and the shapes of its inputs and outputs.
public struct CostContext: Sendable {
    /// The node's attributes.
    public let attributes: Attributes
    /// The shapes of the inputs, as far as they are known.
    public let inputs: [PartialShape]
    /// The shapes of the outputs, as far as they are known.
    public let outputs: [PartialShape]

    /// The number of elements of an input; 0 if there is no such input. An unknown dimension counts as 1.
    public func inputCount(_ index: Int) -> Double { inputs.indices.contains(index) ? CostContext.elementCount(inputs[index].dimensions) : 0 }
    /// The number of elements of an output; 0 if there is no such output. An unknown dimension counts as 1.
    public func outputCount(_ index: Int = 0) -> Double {
        outputs.indices.contains(index) ? CostContext.elementCount(outputs[index].dimensions) : 0
    }
    /// A dimension of an input, counted from the back when negative; 1 if it is unknown.
    public func inputSize(_ index: Int, _ dimension: Int) -> Double {
        inputs.indices.contains(index) ? Double(inputs[index][dimension] ?? 1) : 1
    }

    private static func elementCount(_ dimensions: [Int?]?) -> Double { (dimensions ?? []).reduce(1) { $0 * Double($1 ?? 1) } }
    /// The cost of an op that has no cost function: it visits each element of its largest input or output once.
    fileprivate var largestCount: Double {
        (inputs.indices.map(inputCount) + outputs.indices.map(outputCount)).max() ?? 0
    }
}

/// Cost functions that many ops share.
public enum CostFunctions {
    /// A product that sums over the last dimension of input 0, or over the one before if the attribute `transposed` is true. Each
    /// term is a multiplication and an addition.
    public static func product(transposed: String) -> OpDefinition.CostFunction {
        { c in 2 * c.outputCount() * c.inputSize(0, c.attributes.bool(transposed) == true ? -2 : -1) }
    }
    /// A convolution: for each element of the output, or of the output's gradient if that is input `output`, one term for each
    /// element of the filter, input 1, that belongs to one output channel. Output channels are the filter's last dimension.
    public static func convolution(output: Int? = nil) -> OpDefinition.CostFunction {
        { c in 2 * (output.map(c.inputCount) ?? c.outputCount()) * c.inputCount(1) / max(1, c.inputSize(1, -1)) }
    }
}

extension GraphBuilder {
    /// The number of floating-point operations of a node, from the shapes that were inferred. Nodes that only forward or describe
    /// a tensor cost nothing; a node that calls functions counts as if it visited its tensors once.
    package func cost(of id: NodeID) -> Double {
        let node = node(id)
        let context = CostContext(
            attributes: node.attributes, inputs: node.inputs.map(shape), outputs: node.outputTypes.indices.map { shape(Endpoint(id, $0)) })
        if let cost = node.op.cost { return cost(context) }
        let isFree = node.role != .compute || node.op.readsOnlyShapes || node.op.passThrough != nil
        switch node.op.variableUse {
        case .handle, .reference, .read: return 0
        case .gather, .assignment, .update, nil: return isFree ? 0 : context.largestCount
        }
    }
}
