import WeirTensor

/// The values of outputs that are known while building: constants, shapes that are known, and simple arithmetic on
/// them. Just what shape functions need; folding whole graphs is a pass.
///
/// One search looks at each node once, goes back so many nodes at most, and computes small values only: graphs come from
/// clients, and a value may be used by any number of others.
struct ConstantValue {
    private static let maximumDepth = 20
    private static let maximumNodeCount = 10_000
    private static let maximumElementCount = 10_000

    private let builder: GraphBuilder
    /// What this search found, nil where there is no value.
    private(set) var found: [Endpoint: Tensor?] = [:]
    /// Whether it stopped anywhere before it was through: what it did not find may then be there.
    private(set) var isCut = false
    private var depth = 0

    init(_ builder: GraphBuilder) { self.builder = builder }

    mutating func of(_ endpoint: Endpoint) -> Tensor? {
        if let known = builder.knownConstant(endpoint) ?? found[endpoint] { return known }
        guard depth < ConstantValue.maximumDepth, found.count < ConstantValue.maximumNodeCount else {
            isCut = true
            return nil
        }
        depth += 1
        defer { depth -= 1 }
        let value = compute(endpoint)
        found[endpoint] = .some(value)
        return value
    }

    private mutating func compute(_ endpoint: Endpoint) -> Tensor? {
        let node = builder.node(endpoint.node)
        let shapeOfFirst = node.inputs.first.map { builder.shape($0) }
        switch node.op.name {
        case "Const":
            guard let value = node.attributes.tensor("value"), value.dtype == node.outputTypes[0].dtype else { return nil }
            return value
        case "Identity", "StopGradient", "PreventGradient": return input(node, 0)
        case "Shape":
            guard let shape = shapeOfFirst?.known else { return nil }
            return integers(shape.dimensions, node, Shape(shape.rank))
        case "Size":
            guard let shape = shapeOfFirst?.known else { return nil }
            return integers([shape.elementCount], node, .scalar)
        case "Rank":
            guard let rank = shapeOfFirst?.rank else { return nil }
            return integers([rank], node, .scalar)
        case "Pack":
            guard node.outputTypes[0].dtype.isInteger, shapeOfFirst?.rank == 0 else { return nil }
            var values: [Int] = []
            for index in node.inputs.indices {
                guard let value = scalar(node, index) else { return nil }
                values.append(value)
            }
            return integers(values, node, Shape(values.count))
        case "ConcatV2":
            var values: [Int] = []
            for index in node.inputs.indices.dropLast() {
                guard let part = numbers(node, index), part.shape.rank == 1,
                    values.count + part.values.count <= ConstantValue.maximumElementCount
                else { return nil }
                values += part.values
            }
            return integers(values, node, Shape(values.count))
        case "Cast":
            guard let value = numbers(node, 0) else { return nil }
            return integers(value.values, node, value.shape)
        case "Range":
            guard let start = scalar(node, 0), let limit = scalar(node, 1), let delta = scalar(node, 2) else { return nil }
            return range(start, limit, delta).flatMap { integers($0, node, Shape($0.count)) }
        case "AddV2", "Add", "Sub", "Mul", "FloorDiv", "Maximum", "Minimum": return binary(node)
        case "StridedSlice":
            guard node.attributes.int("shrink_axis_mask") == 1, node.attributes.int("begin_mask") == 0,
                let value = numbers(node, 0), value.shape.rank == 1, let begin = scalar(node, 1)
            else { return nil }
            let position = begin < 0 ? begin + value.values.count : begin
            guard value.values.indices.contains(position) else { return nil }
            return integers([value.values[position]], node, .scalar)
        case "GatherV2":
            guard let value = numbers(node, 0), value.shape.rank == 1, let at = numbers(node, 1),
                at.values.allSatisfy(value.values.indices.contains)
            else { return nil }
            return integers(at.values.map { value.values[$0] }, node, at.shape)
        case "Prod":
            guard let value = numbers(node, 0), value.shape.rank <= 1 else { return nil }
            return integers([value.values.reduce(1, &*)], node, .scalar)
        case "Reshape", "ExpandDims", "Squeeze":
            guard let value = input(node, 0), let shape = builder.shape(endpoint).known, shape.elementCount == value.elementCount
            else { return nil }
            return value.reshaped(shape)
        default: return nil
        }
    }

    private mutating func input(_ node: Node, _ index: Int) -> Tensor? {
        node.inputs.indices.contains(index) ? of(node.inputs[index]) : nil
    }
    /// An input as integers; nil where it is not, or where there are many.
    private mutating func numbers(_ node: Node, _ index: Int) -> (values: [Int], shape: Shape)? {
        guard let value = input(node, index), value.elementCount <= ConstantValue.maximumElementCount,
            let numbers = try? value.integers()
        else { return nil }
        return (numbers, value.shape)
    }
    private mutating func scalar(_ node: Node, _ index: Int) -> Int? {
        guard let number = numbers(node, index), number.values.count == 1 else { return nil }
        return number.values[0]
    }

    private func range(_ start: Int, _ limit: Int, _ delta: Int) -> [Int]? {
        let (distance, overflow) = limit.subtractingReportingOverflow(start)
        guard !overflow, delta != 0, distance.magnitude <= ConstantValue.maximumElementCount else { return nil }
        guard distance != 0, (distance > 0) == (delta > 0) else { return [] }
        let count = Int((distance.magnitude - 1) / delta.magnitude) + 1
        return (0..<count).map { start + $0 * delta }
    }

    private mutating func binary(_ node: Node) -> Tensor? {
        guard let x = numbers(node, 0), let y = numbers(node, 1), x.shape == y.shape || x.shape.rank == 0 || y.shape.rank == 0
        else { return nil }
        let shape = x.shape.rank == 0 ? y.shape : x.shape
        var values: [Int] = []
        for index in 0..<shape.elementCount {
            let (l, r) = (x.values[x.shape.rank == 0 ? 0 : index], y.values[y.shape.rank == 0 ? 0 : index])
            switch node.op.name {
            case "AddV2", "Add": values.append(l &+ r)
            case "Sub": values.append(l &- r)
            case "Mul": values.append(l &* r)
            case "Maximum": values.append(max(l, r))
            case "Minimum": values.append(min(l, r))
            default:
                guard r != 0 else { return nil }
                let (quotient, overflow) = l.dividedReportingOverflow(by: r)
                guard !overflow else { return nil }
                values.append(l % r != 0 && (l < 0) != (r < 0) ? quotient - 1 : quotient)
            }
        }
        return integers(values, node, shape)
    }

    private func integers(_ values: [Int], _ node: Node, _ shape: Shape) -> Tensor? {
        switch node.outputTypes[0].dtype {
        case .int32:
            let narrow = values.compactMap { Int32(exactly: $0) }
            return narrow.count == values.count ? Tensor(narrow, shape: shape) : nil
        case .int64: return Tensor(values.map { Int64($0) }, shape: shape)
        default: return nil
        }
    }
}
