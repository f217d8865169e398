public import WeirTensor

/// What is known of a tensor's value while a graph is built: the whole value, or some of its integers. For example, a shape
/// vector may have one dimension that is computed in the step, while all others are known.
public enum KnownValue: Sendable {
    /// The whole value.
    case tensor(Tensor)
    /// The integers in row-major order, nil for those that are not known, and the tensor's shape.
    case integers([Int?], Shape)

    /// Whether every element is known.
    var isComplete: Bool {
        switch self {
        case .tensor: true
        case .integers(let values, _): !values.contains { $0 == nil }
        }
    }

    /// The whole value as a tensor of type `dtype`; nil if an element is not known or does not fit the type,
    /// or if there are not as many elements as in the shape.
    func tensor(_ dtype: DType) -> Tensor? {
        switch self {
        case .tensor(let tensor): return tensor.dtype == dtype ? tensor : nil
        case .integers(let values, let shape):
            let known = values.compactMap { $0 }
            // A user-defined op's known-value function may give another number of integers than its shape has.
            guard known.count == values.count, shape.elementCount == values.count else { return nil }
            switch dtype {
            case .int32:
                let narrow = known.compactMap { Int32(exactly: $0) }
                return narrow.count == known.count ? Tensor(narrow, ofShape: shape) : nil
            case .int64: return Tensor(known.map { Int64($0) }, ofShape: shape)
            default: return nil
            }
        }
    }
}

/// The input of an op's known-value function: a node and what is known of its inputs.
///
/// Known values serve shape functions only, so elements are integers and few. `ConstantFolding` computes constants of whole
/// graphs.
public struct KnownValueContext {
    /// The node whose value is computed.
    public let node: Node
    let id: NodeID
    var search: KnownValueSearch

    /// The node's attributes.
    public var attributes: Attributes { node.attributes }
    /// The number of the node's data inputs.
    public var inputCount: Int { node.inputs.count }
    /// The element type of the output.
    public var outputType: DType { node.outputTypes[0].dtype }
    /// The shape of input `index`; unknown if there is no such input.
    public func shape(_ index: Int) -> PartialShape {
        node.inputs.indices.contains(index) ? search.builder.shape(node.inputs[index]) : .unknown
    }
    /// The inferred shape of the output.
    public var outputShape: PartialShape { search.builder.shape(Endpoint(id)) }

    /// What is known of the value of input `index`; nil if nothing is.
    public mutating func input(_ index: Int) -> KnownValue? {
        node.inputs.indices.contains(index) ? search.value(of: node.inputs[index]) : nil
    }
    /// The integers of input `index`, nil for those that are not known. Nil if none is known, the type is no integer type, or
    /// there are more than 10,000.
    public mutating func integers(_ index: Int) -> (values: [Int?], shape: Shape)? {
        switch input(index) {
        case .integers(let values, let shape): return (values, shape)
        case .tensor(let tensor):
            guard tensor.elementCount <= KnownValueSearch.maximumElementCount, let numbers = try? tensor.integers() else { return nil }
            return (numbers, tensor.shape)
        case nil: return nil
        }
    }
    /// The value of input `index` if it has one element and that is known.
    public mutating func integer(_ index: Int) -> Int? {
        guard let found = integers(index), found.values.count == 1 else { return nil }
        return found.values[0]
    }
    /// A value of the output's type. Nil if that is neither `int32` nor `int64`, a number does not fit it, all elements are
    /// unknown, or there are more than 10,000.
    public func result(_ values: [Int?], _ shape: Shape) -> KnownValue? {
        guard values.count <= KnownValueSearch.maximumElementCount, values.isEmpty || values.contains(where: { $0 != nil }) else { return nil }
        switch outputType {
        case .int32: return values.contains { $0.map { Int32(exactly: $0) == nil } ?? false } ? nil : .integers(values, shape)
        case .int64: return .integers(values, shape)
        default: return nil
        }
    }

    /// Applies `body` to the elements of inputs 0 and 1. A scalar is combined with every element of the other input. An element
    /// is unknown if either operand is or `body` returns nil.
    public mutating func elementwise(_ body: (Int, Int) -> Int?) -> KnownValue? {
        guard let x = integers(0), let y = integers(1), x.shape == y.shape || x.shape.rank == 0 || y.shape.rank == 0 else { return nil }
        let shape = x.shape.rank == 0 ? y.shape : x.shape
        let values = (0..<shape.elementCount).map { index -> Int? in
            guard let left = x.values[x.shape.rank == 0 ? 0 : index], let right = y.values[y.shape.rank == 0 ? 0 : index] else { return nil }
            return body(left, right)
        }
        return result(values, shape)
    }
}

/// One search for the known values of outputs. It visits each node once, and limits depth and number of nodes: clients send
/// graphs of any size, and any number of nodes may use a value.
struct KnownValueSearch {
    static let maximumDepth = 20
    static let maximumNodeCount = 10_000
    static let maximumElementCount = 10_000

    let builder: GraphBuilder
    /// The values that this search found; nil where nothing is known.
    private(set) var found: [Endpoint: KnownValue?] = [:]
    /// Whether the search reached a limit. A nil in `found` may then be a value that another search finds.
    private(set) var hasReachedLimit = false
    private var depth = 0

    init(_ builder: GraphBuilder) { self.builder = builder }

    mutating func value(of endpoint: Endpoint) -> KnownValue? {
        if let known = builder.cachedKnownValue(endpoint) ?? found[endpoint] { return known }
        guard depth < KnownValueSearch.maximumDepth, found.count < KnownValueSearch.maximumNodeCount else {
            hasReachedLimit = true
            return nil
        }
        depth += 1
        let node = builder.node(endpoint.node)
        var value: KnownValue?
        if let function = node.op.knownValue, node.outputTypes.count == 1 {
            // Moves the search into the context and back, so that its dictionary is not copied.
            var context = KnownValueContext(node: node, id: endpoint.node, search: self)
            found = [:]
            value = function(&context)
            self = context.search
        }
        depth -= 1
        // A value whose shape contradicts the inferred shape is discarded.
        if let known = value, !builder.shape(endpoint).isCompatible(with: PartialShape(known.shape)) { value = nil }
        found[endpoint] = .some(value)
        return value
    }
}

extension KnownValue {
    var shape: Shape {
        switch self {
        case .tensor(let tensor): tensor.shape
        case .integers(_, let shape): shape
        }
    }
}
