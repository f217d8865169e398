import Weir

// Stateless nodes.
extension GraphMaker {
    private static let binary: [DType: [String]] = {
        let real = ["AddV2", "Sub", "Mul", "Maximum", "Minimum", "SquaredDifference", "AddV2", "Mul"]
        let integer = ["AddV2", "Sub", "Mul", "Maximum", "Minimum"]
        return [
            .float32: real, .float64: real, .float16: integer, .bfloat16: integer, .int32: integer, .int64: integer, .complex64: ["AddV2", "Sub", "Mul"],
            .bool: ["LogicalAnd", "LogicalOr"], .string: ["StringJoin"],
        ]
    }()
    private static let unary: [DType: [String]] = {
        let real = ["Neg", "Tanh", "Sigmoid", "Square", "Relu", "Abs", "Identity", "StopGradient", "Softplus", "ZerosLike", "OnesLike", "Sign", "Floor"]
        return [
            .float32: real, .float64: real, .float16: ["Neg", "Abs", "Relu"], .bfloat16: ["Neg", "Abs", "Relu"],
            .int32: ["Neg", "Abs", "Square", "Identity", "ZerosLike"],
            .int64: ["Neg", "Abs", "Square", "Identity"], .complex64: ["Neg", "Conj", "Identity"], .bool: ["LogicalNot", "Identity"],
            .string: ["Identity", "StringUpper"],
        ]
    }()

    func compute(_ items: [Item], anchor: Operation?) -> [Item] {
        guard let item = any(items) else { return [] }
        var controls: [Operation?] = []
        // A control edge that has no effect on values.
        if random.chance(12), let other = any(items) { controls = [other.output.operation] }
        func result(_ made: Operation, _ shape: [Int], _ dtype: DType? = nil, _ others: [Item] = []) -> [Item] {
            [Item(output: made[0], dtype: dtype ?? item.dtype, shape: shape, isPure: item.isPure && others.allSatisfy(\.isPure) && controls.isEmpty)]
        }
        switch random.below(16) {
        case 0, 1, 2:
            guard let ops = GraphMaker.unary[item.dtype] else { return [] }
            return result(add(random.pick(ops), [item.output], controls: controls), item.shape)
        case 3, 4, 5, 6:
            guard let ops = GraphMaker.binary[item.dtype],
                let other = any(items, where: { $0.dtype == item.dtype && GraphMaker.broadcast($0.shape, item.shape) != nil }),
                let shape = GraphMaker.broadcast(item.shape, other.shape)
            else { return [] }
            if item.dtype == .string, item.shape != other.shape { return [] }
            let attributes: Attributes = item.dtype == .string ? ["separator": "+"] : [:]
            return result(add(random.pick(ops), [item.output, other.output], attributes, controls: controls), shape, nil, [other])
        case 7: return reduce(item, anchor).map { result($0.0, $0.1) } ?? []
        case 8: return product(item).map { result($0.0, $0.1) } ?? []
        case 9: return compare(item, items)
        case 10:
            let mates = [item] + (0..<random.int(0...2)).compactMap { _ in any(items) { $0.fits(item) } }
            guard !item.shape.isEmpty || random.chance(50) else { return [] }
            if random.chance(50) || item.shape.isEmpty {
                let made = add("Pack", mates.map(\.output), ["axis": 0], controls: controls)
                return result(made, [mates.count] + item.shape, nil, mates)
            }
            guard mates.count > 1 else { return [] }
            let axis = random.below(item.shape.count)
            let made = add(
                "ConcatV2", mates.map(\.output) + [constant(Tensor(Int32(axis)), anchor: anchor).output], ["N": .int(mates.count)], controls: controls)
            var shape = item.shape
            shape[axis] *= mates.count
            return result(made, shape, nil, mates)
        case 11: return split(item, anchor)
        case 12:
            let (made, shape) = reshape(item, anchor)
            return result(made, shape)
        case 13: return cast(item).map { result($0.0, item.shape, $0.1) } ?? []
        case 14:
            let mates = (0..<random.int(1...3)).compactMap { _ in any(items) }
            let made = add("IdentityN", mates.map(\.output), controls: controls)
            // A consumer of one output may wait for all inputs.
            let isPure = mates.allSatisfy(\.isPure) && controls.isEmpty
            return mates.enumerated().map { index, mate in
                Item(output: made[index], dtype: mate.dtype, shape: mate.shape, isPure: isPure)
            }
        default:
            guard [.float32, .float64, .int32, .int64].contains(item.dtype) else { return [] }
            let mates = [item] + (0..<random.int(1...3)).compactMap { _ in any(items) { $0.fits(item) } }
            return result(add("AddN", mates.map(\.output), controls: controls), item.shape, nil, mates)
        }
    }

    static func broadcast(_ a: [Int], _ b: [Int]) -> [Int]? {
        try? PartialShape(Shape(a)).broadcasting(PartialShape(Shape(b))).known?.dimensions
    }

    private func reduce(_ item: Item, _ anchor: Operation?) -> (Operation, [Int])? {
        guard !item.shape.isEmpty, item.count > 0 else { return nil }
        let ops =
            switch item.dtype {
            case .float32, .float64: ["Sum", "Max", "Min", "Mean", "Prod"]
            case .int32, .int64: ["Sum", "Max", "Min"]
            case .bool: ["All", "Any"]
            default: [] as [String]
            }
        guard !ops.isEmpty else { return nil }
        let axis = random.below(item.shape.count)
        let keeps = random.chance(30)
        let made = add(random.pick(ops), [item.output, constant(Tensor([Int32(axis)]), anchor: anchor).output], ["keep_dims": .bool(keeps)])
        var shape = item.shape
        if keeps { shape[axis] = 1 } else { shape.remove(at: axis) }
        return (made, shape)
    }

    private func product(_ item: Item) -> (Operation, [Int])? {
        guard item.shape.count == 2, [.float32, .float64, .int32].contains(item.dtype) else { return nil }
        let isFirst = random.chance(50)
        let size = item.shape[isFirst ? 1 : 0]
        return (add("MatMul", [item.output, item.output], ["transpose_a": .bool(isFirst), "transpose_b": .bool(!isFirst)]), [size, size])
    }

    private func compare(_ item: Item, _ items: [Item]) -> [Item] {
        guard let other = any(items, where: { $0.fits(item) }) else { return [] }
        let pure = item.isPure && other.isPure
        guard [.float32, .float64, .int32, .int64].contains(item.dtype) else {
            return [Item(output: add("Equal", [item.output, other.output])[0], dtype: .bool, shape: item.shape, isPure: pure)]
        }
        let test = Item(
            output: add(random.pick(["Less", "Greater", "Equal"]), [item.output, other.output])[0], dtype: .bool, shape: item.shape, isPure: pure)
        let chosen = add("SelectV2", [test.output, item.output, other.output])
        return [test, Item(output: chosen[0], dtype: item.dtype, shape: item.shape, isPure: pure)]
    }

    private func split(_ item: Item, _ anchor: Operation?) -> [Item] {
        guard let axis = item.shape.indices.first(where: { item.shape[$0] > 1 }) else { return [] }
        let count = item.shape[axis] % 2 == 0 ? 2 : item.shape[axis]
        guard count <= 8 else { return [] }
        var shape = item.shape
        let made: Operation
        if count == item.shape[axis], random.chance(50) {
            made = add("Unpack", [item.output], ["num": .int(count), "axis": .int(axis)])
            shape.remove(at: axis)
        } else {
            made = add("Split", [constant(Tensor(Int32(axis)), anchor: anchor).output, item.output], ["num_split": .int(count)])
            shape[axis] /= count
        }
        return (0..<count).map { Item(output: made[$0], dtype: item.dtype, shape: shape, isPure: item.isPure) }
    }

    private func reshape(_ item: Item, _ anchor: Operation?) -> (Operation, [Int]) {
        switch random.below(4) {
        case 0 where !item.shape.isEmpty:
            let order = random.shuffled(Array(item.shape.indices))
            return (add("Transpose", [item.output, constant(Tensor(order.map { Int32($0) }), anchor: anchor).output]), order.map { item.shape[$0] })
        case 1:
            return (add("ExpandDims", [item.output, constant(Tensor(Int32(0)), anchor: anchor).output]), [1] + item.shape)
        case 2 where item.shape.first.map({ $0 > 1 }) == true:
            let begin = [Int32](repeating: 0, count: item.shape.count)
            var shape = item.shape
            shape[0] -= 1
            let size = constant(Tensor(shape.map { Int32($0) }), anchor: anchor)
            return (add("Slice", [item.output, constant(Tensor(begin), anchor: anchor).output, size.output]), shape)
        default:
            return (add("Reshape", [item.output, constant(Tensor([Int32(item.count)]), anchor: anchor).output]), [item.count])
        }
    }

    private func cast(_ item: Item) -> (Operation, DType)? {
        let targets: [DType] =
            switch item.dtype {
            case .int32: [.float32, .int64, .float64]
            case .int64: [.float32, .int32]
            case .bool: [.float32, .int32]
            case .float32: [.float64, .bfloat16, .float16]
            case .float64, .float16, .bfloat16: [.float32]
            default: []
            }
        guard !targets.isEmpty else { return nil }
        let target = random.pick(targets)
        return (add("Cast", [item.output], ["DstT": .type(target)]), target)
    }
}
