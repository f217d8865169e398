public import WeirTensor

/// What is known of a tensor's value while a graph is built: all of it, or some of a few integers. A shape of which one
/// dimension is computed in the step has all others known.
public enum KnownValue: Sendable {
    case tensor(Tensor)
    /// The elements, nil where they are not known, and how they are arranged.
    case integers([Int?], Shape)

    /// Whether nothing of it is open.
    var isWhole: Bool {
        switch self {
        case .tensor: true
        case .integers(let values, _): !values.contains { $0 == nil }
        }
    }

    /// The whole value as a tensor; nil when some of it is not known or does not fit the type.
    func tensor(_ dtype: DType) -> Tensor? {
        switch self {
        case .tensor(let tensor): return tensor.dtype == dtype ? tensor : nil
        case .integers(let values, let shape):
            let known = values.compactMap { $0 }
            guard known.count == values.count else { return nil }
            switch dtype {
            case .int32:
                let narrow = known.compactMap { Int32(exactly: $0) }
                return narrow.count == known.count ? Tensor(narrow, shape: shape) : nil
            case .int64: return Tensor(known.map { Int64($0) }, shape: shape)
            default: return nil
            }
        }
    }
}

/// What an op's function for known values sees of its node.
///
/// Elements are integers, and there are few of them: what is known here serves shape functions. Folding whole graphs is a
/// pass.
public struct KnownValueContext {
    public let node: Node
    let id: NodeID
    var search: KnownValueSearch

    public var attributes: Attributes { node.attributes }
    public var inputCount: Int { node.inputs.count }
    public var outputType: DType { node.outputTypes[0].dtype }
    public func shape(_ index: Int) -> PartialShape {
        node.inputs.indices.contains(index) ? search.builder.shape(node.inputs[index]) : .unknown
    }
    public var outputShape: PartialShape { search.builder.shape(Endpoint(id)) }

    /// All that is known of an input.
    public mutating func input(_ index: Int) -> KnownValue? {
        node.inputs.indices.contains(index) ? search.value(of: node.inputs[index]) : nil
    }
    /// An input's elements; nil when it has none that are known, is of another type, or is long.
    public mutating func integers(_ index: Int) -> (values: [Int?], shape: Shape)? {
        switch input(index) {
        case .integers(let values, let shape): return (values, shape)
        case .tensor(let tensor):
            guard tensor.elementCount <= KnownValueSearch.maximumElementCount, let numbers = try? tensor.integers() else { return nil }
            return (numbers, tensor.shape)
        case nil: return nil
        }
    }
    /// The one element of an input.
    public mutating func integer(_ index: Int) -> Int? {
        guard let found = integers(index), found.values.count == 1 else { return nil }
        return found.values[0]
    }
    /// A value of the output's type; nil when that has no such integers or all of them are unknown.
    public func result(_ values: [Int?], _ shape: Shape) -> KnownValue? {
        guard values.count <= KnownValueSearch.maximumElementCount, values.isEmpty || values.contains(where: { $0 != nil }) else { return nil }
        switch outputType {
        case .int32: return values.contains { $0.map { Int32(exactly: $0) == nil } ?? false } ? nil : .integers(values, shape)
        case .int64: return .integers(values, shape)
        default: return nil
        }
    }

    /// The elements of two inputs put together one by one, a scalar with each; nil where either is unknown or `body` gives nil.
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

/// One search for the values of outputs. It looks at each node once and goes back so many nodes at most: graphs come
/// from clients, and a value may be used by any number of others.
struct KnownValueSearch {
    static let maximumDepth = 20
    static let maximumNodeCount = 10_000
    static let maximumElementCount = 10_000

    let builder: GraphBuilder
    /// What this search found, nil where nothing is known.
    private(set) var found: [Endpoint: KnownValue?] = [:]
    /// Whether it stopped anywhere before it was through: what it did not find may then be there.
    private(set) var isCut = false
    private var depth = 0

    init(_ builder: GraphBuilder) { self.builder = builder }

    mutating func value(of endpoint: Endpoint) -> KnownValue? {
        if let known = builder.remembered(endpoint) ?? found[endpoint] { return known }
        guard depth < KnownValueSearch.maximumDepth, found.count < KnownValueSearch.maximumNodeCount else {
            isCut = true
            return nil
        }
        depth += 1
        let node = builder.node(endpoint.node)
        var value: KnownValue?
        if let function = node.op.knownValue, node.outputTypes.count == 1 {
            // The search moves into the context and back, so that its table is not copied.
            var context = KnownValueContext(node: node, id: endpoint.node, search: self)
            found = [:]
            value = function(&context)
            self = context.search
        }
        depth -= 1
        // A value of another shape than the node's would be taken for the node's.
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
