public import WeirTensor

/// The input of a shape function, a node and its inputs' shapes, and its result, the outputs' shapes.
public struct ShapeContext {
    /// The node whose output shapes are inferred.
    public let node: Node
    let builder: GraphBuilder
    /// The outputs' shapes. They are unknown until the shape function sets them.
    public var outputs: [PartialShape]
    var handles: [(Int, (dtype: DType, shape: PartialShape))] = []

    init(node: Node, builder: GraphBuilder) {
        self.node = node
        self.builder = builder
        outputs = [PartialShape](repeating: .unknown, count: node.outputTypes.count)
    }

    /// The node's attributes.
    public var attributes: Attributes { node.attributes }
    /// The number of the node's data inputs.
    public var inputCount: Int { node.inputs.count }
    /// The shape of input `index`; unknown if there is no such input.
    public func input(_ index: Int) -> PartialShape {
        node.inputs.indices.contains(index) ? builder.shape(node.inputs[index]) : .unknown
    }
    /// The value of input `index` if it is known while the graph is built: a constant, or computed from constants and known
    /// shapes.
    public func constant(_ index: Int) -> Tensor? {
        node.inputs.indices.contains(index) ? builder.constant(node.inputs[index]) : nil
    }
    /// Input `index` read as a shape. A negative number is an unknown dimension, and so is a number that is not known. The
    /// vector's length gives the rank.
    public func constantShape(_ index: Int) -> PartialShape {
        guard node.inputs.indices.contains(index) else { return .unknown }
        switch builder.knownValue(node.inputs[index]) {
        case .integers(let values, let shape) where shape.rank <= 1:
            return PartialShape(values.map { value in value.flatMap { $0 < 0 ? nil : $0 } })
        case .tensor(let tensor):
            if let numbers = try? tensor.integers() { return PartialShape(numbers.map { $0 < 0 ? nil : $0 }) }
        default: break
        }
        if let rank = input(index)[0], input(index).rank == 1, rank <= Shape.maximumRank { return .ofRank(rank) }
        return .unknown
    }
    /// Sets the shape of output `index`. Does nothing if there is no such output.
    public mutating func setOutput(_ index: Int, _ shape: PartialShape) {
        if outputs.indices.contains(index) { outputs[index] = shape }
    }
    /// Checks the rank of input `index`.
    /// - Throws: `invalidArgument` when the rank is known and is another.
    public func requireRank(_ index: Int, _ rank: Int) throws {
        if let found = input(index).rank, found != rank {
            throw Status.invalidArgument("Shape must be rank \(rank) but is rank \(found)")
        }
    }
    /// Checks that the rank of input `index` is at least `rank`.
    /// - Throws: `invalidArgument` when the rank is known and is less.
    public func requireRank(_ index: Int, atLeast rank: Int) throws {
        if let found = input(index).rank, found < rank {
            throw Status.invalidArgument("Shape must be at least rank \(rank) but is rank \(found)")
        }
    }
    /// Element type and shape of the variable whose handle is input `index`; nil if they are not known.
    public func handle(_ index: Int) -> (dtype: DType, shape: PartialShape)? {
        node.inputs.indices.contains(index) ? builder.handleShape(node.inputs[index]) : nil
    }
    /// Sets element type and shape of the variable whose handle is output `output`.
    public mutating func setHandle(_ output: Int, _ dtype: DType, _ shape: PartialShape) { handles.append((output, (dtype, shape))) }
}

/// Shape functions that many ops share.
public enum ShapeFunctions {
    /// Every output has the shape of the first input.
    @Sendable public static func unchanged(_ c: inout ShapeContext) {
        for index in c.outputs.indices { c.setOutput(index, c.input(0)) }
    }
    /// The output has the broadcast shape of the first two inputs.
    @Sendable public static func broadcast(_ c: inout ShapeContext) throws {
        c.setOutput(0, try c.input(0).broadcasting(c.input(1)))
    }
    /// Every output is a scalar.
    @Sendable public static func scalar(_ c: inout ShapeContext) {
        for index in c.outputs.indices { c.setOutput(index, .scalar) }
    }
    /// The outputs' shapes are unknown.
    @Sendable public static func unknown(_ c: inout ShapeContext) {}
    /// All inputs have the same shape, which is the outputs' shape.
    @Sendable public static func merged(_ c: inout ShapeContext) throws {
        var shape = c.input(0)
        for index in 1..<max(c.inputCount, 1) { shape = try shape.merging(c.input(index)) }
        for index in c.outputs.indices { c.setOutput(index, shape) }
    }
    /// Reduces input 0 along the axes in input 1. If `keep_dims` is true, these axes stay, with size 1.
    @Sendable public static func reduction(_ c: inout ShapeContext) throws {
        let keep = c.attributes.bool("keep_dims") ?? false
        guard let rank = c.input(0).rank, let dimensions = c.input(0).dimensions else { return }
        guard let axes = try c.constant(1)?.integers("reduction_indices") else {
            if keep { c.setOutput(0, .ofRank(rank)) }
            return
        }
        var reduced = Set<Int>()
        for axis in axes {
            guard axis >= -rank, axis < rank else {
                throw Status.invalidArgument("Invalid reduction dimension \(axis) for input with \(rank) dimensions")
            }
            reduced.insert(axis < 0 ? axis + rank : axis)
        }
        c.setOutput(
            0,
            PartialShape(
                dimensions.enumerated().compactMap { index, size in
                    reduced.contains(index) ? (keep ? .some(1) : nil) : .some(size)
                }))
    }
}
