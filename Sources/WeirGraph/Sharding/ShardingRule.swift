public import WeirTensor

/// How the work of a node can be divided: a label for each dimension of its inputs and outputs, as in an einsum.
///
/// A dimension with a label can be cut into equal parts over the devices of a mesh axis. All dimensions with this label are then
/// cut alike, operands without it are whole, and each device computes one part. For a product of matrices, `mk,kn->mn`:
/// - a cut of `m` or `n` gives a part of the result to each device;
/// - a cut of `k`, which is in `sums`, gives each device a matrix of the full shape, and the result is their sum.
///
/// See Xu et al., "GSPMD: General and Scalable Parallelization for ML Computation Graphs", 2021.
public struct ShardingRule: Sendable {
    /// The labels of each data input's dimensions. Dimensions beyond the list are whole. For the handle of a variable they are
    /// those of the variable's value.
    public var inputs: [[DimensionLabel]]
    /// The labels of each output's dimensions.
    public var outputs: [[DimensionLabel]]
    /// Labels that no output has: if they are cut, the output is the sum of what the devices compute.
    public var sums: Set<DimensionLabel>
    /// Whether the sum of what devices compute from addends of the inputs is the result for the inputs' sums.
    public private(set) var isLinear = false
    /// Whether one part of the inputs is enough to compute the outputs, which have no cut dimensions.
    public private(set) var needsOnePart = false
    /// Builds the computation of one device; nil if it is the node with other inputs.
    public private(set) var local: (@Sendable (LocalNode) throws -> [Output])?

    /// A rule with these labels.
    public init(inputs: [[DimensionLabel]], outputs: [[DimensionLabel]], sums: Set<DimensionLabel> = []) {
        self.inputs = inputs
        self.outputs = outputs
        self.sums = sums
    }

    /// A rule in the notation of einsum: `mk,kn->mn`. A dimension called `_` is whole.
    /// - Parameter sums: the labels over which the op sums.
    public init(_ labels: String, sums: String = "") {
        let sides = labels.split(separator: "-", maxSplits: 1, omittingEmptySubsequences: false)
        func operands(_ side: Substring) -> [[DimensionLabel]] {
            side.split(separator: ",", omittingEmptySubsequences: false).map { $0.map(DimensionLabel.init) }
        }
        inputs = operands(sides.first ?? "")
        outputs = sides.count < 2 ? [] : operands(sides[1].dropFirst())
        self.sums = Set(sums.map(DimensionLabel.init))
    }

    /// The same rule for an op that is linear in all its inputs of floating types together.
    public func linear() -> ShardingRule {
        var result = self
        result.isLinear = true
        return result
    }
    /// The same rule with a computation of a device that is more than the node with other inputs.
    public func computed(by local: @escaping @Sendable (LocalNode) throws -> [Output]) -> ShardingRule {
        var result = self
        result.local = local
        return result
    }
    /// The same rule for an op whose outputs follow from one part of the inputs, as a tensor's shape does. `local` makes the
    /// outputs for the whole inputs from those for the part.
    public func fromOnePart(_ local: @escaping @Sendable (LocalNode) throws -> [Output]) -> ShardingRule {
        var result = computed(by: local)
        result.needsOnePart = true
        return result
    }

    /// The label of a dimension of input `index`.
    func label(ofInput index: Int, _ dimension: Int) -> DimensionLabel {
        guard inputs.indices.contains(index), inputs[index].indices.contains(dimension) else { return .whole }
        return inputs[index][dimension]
    }
}

/// The label of a dimension in a `ShardingRule`.
public struct DimensionLabel: Sendable, Hashable {
    let number: UInt32
    /// A dimension that cannot be cut.
    public static let whole = DimensionLabel("_")
    /// The label of this letter; `_` is `whole`.
    public init(_ letter: Character) { number = letter.unicodeScalars.first?.value ?? 0 }
    /// A label for each number from 0 on, other than those of letters.
    public init(_ number: Int) { self.number = 0x11_0000 + UInt32(clamping: number) }
}

/// The input of an op's sharding function: a node, and what is known of its inputs and outputs while a graph is built.
public struct ShardingContext {
    /// The node.
    public let node: Node
    let id: NodeID
    let builder: GraphBuilder

    /// The node's attributes.
    public var attributes: Attributes { node.attributes }
    /// The number of data inputs.
    public var inputCount: Int { node.inputs.count }
    /// The number of outputs.
    public var outputCount: Int { node.outputTypes.count }
    /// The shape of input `index`, for a handle that of the variable's value; unknown if there is no such input.
    public func input(_ index: Int) -> PartialShape {
        guard node.inputs.indices.contains(index) else { return .unknown }
        return builder.handleShape(node.inputs[index])?.shape ?? builder.shape(node.inputs[index])
    }
    /// The shape of output `index`; unknown if there is no such output.
    public func output(_ index: Int = 0) -> PartialShape { builder.shape(Endpoint(id, index)) }
    /// The integers of input `index` if they are known while the graph is built.
    public func integers(_ index: Int) -> [Int]? {
        node.inputs.indices.contains(index) ? builder.constant(node.inputs[index]).flatMap { try? $0.integers() } : nil
    }
    /// Input `index` as an axis of a tensor with `rank` dimensions, counted from the front; nil if it is not known or out of range.
    public func axis(_ index: Int, rank: Int) -> Int? {
        guard let values = integers(index), values.count == 1 else { return nil }
        return ShardingContext.axis(values[0], rank: rank)
    }
    /// An axis counted from the front; nil if it is out of range.
    public static func axis(_ axis: Int, rank: Int) -> Int? {
        (-rank..<rank).contains(axis) ? (axis < 0 ? axis + rank : axis) : nil
    }
    /// Labels that no letter has, one for each dimension of a tensor with `rank` dimensions.
    public static func labels(_ rank: Int) -> [DimensionLabel] { (0..<rank).map { DimensionLabel($0) } }
}
