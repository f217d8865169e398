import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The elements of `t` where a condition is true, and of `e` where it is false. The condition has their shape, or is a
    /// vector that selects whole rows, or a scalar.
    static let select = OpDefinition("Select", "(condition: bool, t: T, e: T) -> (output: T)", "T: type")
        .shape { c in
            let shape = try c.input(1).merging(c.input(2))
            c.setOutput(0, shape)
            guard let rank = c.input(0).rank, rank != 0 else { return }
            if rank == 1, shape.rank != 1 {
                if let count = c.input(0)[0], let rows = shape[0], count != rows {
                    throw Status.invalidArgument("Dimension 0 in both shapes must be equal, but are \(count) and \(rows)")
                }
                if shape.rank == 0 { throw Status.invalidArgument("Shapes must be equal rank, but are 1 and 0") }
                return
            }
            c.setOutput(0, try shape.merging(c.input(0)))
        }
        .sharding { c in
            guard let rank = c.output().rank, let condition = c.input(0).rank else { return nil }
            let labels = ShardingContext.labels(rank)
            return ShardingRule(inputs: [Array(labels.prefix(condition)), labels, labels], outputs: [labels])
        }
        .gradient { g in
            let zero = g.op("ZerosLike", g.inputs[1])
            return [
                nil, g.op("Select", g.inputs[0], g.gradient(), zero), g.op("Select", g.inputs[0], zero, g.gradient()),
            ]
        }
        .kernel(["T": selectTypes], gpu: ["T": selectGPUTypes]) { try $0.movable("T", SelectVisitor(request: $0)) }
        .cuda { request in
            let (type, select) = (try request.type("T"), try CUDAElementwise(select: request))
            return .sync { context in
                let choosesRows = try request.checkSelect(context)
                let (condition, shape) = (context.shape(0), context.shape(1))
                let spread = choosesRows ? try Shape(validating: condition.dimensions + shape.dimensions.dropFirst().map { _ in 1 }) : condition
                let inputs = [context.input(0), context.input(1), context.input(2)]
                try select.run(inputs, CUDABroadcast([spread, shape, shape]), try context.output(0, type, shape))
            }
        }

    /// Like `Select`, with broadcasting of all three inputs.
    static let selectV2 = OpDefinition("SelectV2", "(condition: bool, t: T, e: T) -> (output: T)", "T: type")
        .shape { c in c.setOutput(0, try c.input(0).broadcasting(try c.input(1).broadcasting(c.input(2)))) }
        .sharding(ShardingRule.elementwise)
        .gradient { g in
            let zero = g.op("ZerosLike", g.gradient())
            return [
                nil,
                g.unbroadcast(g.op("SelectV2", g.inputs[0], g.gradient(), zero), to: g.inputs[1], other: g.outputs[0]),
                g.unbroadcast(g.op("SelectV2", g.inputs[0], zero, g.gradient()), to: g.inputs[2], other: g.outputs[0]),
            ]
        }
        .kernel(["T": selectTypes], gpu: ["T": [.numeric, DTypeSet(.bool)]]) {
            try $0.movable("T", SelectV2Visitor(dtype: $0.type("T")))
        }
        .cuda { request in
            let (type, select) = (try request.type("T"), try CUDAElementwise(select: request))
            return .sync { context in
                let shapes = [context.shape(0), context.shape(1), context.shape(2)]
                guard SelectBroadcast(shapes[0], shapes[1], shapes[2]) != nil else { throw notBroadcastable(shapes[0], shapes[1], shapes[2]) }
                let broadcast = try CUDABroadcast(shapes)
                let inputs = [context.input(0), context.input(1), context.input(2)]
                try select.run(inputs, broadcast, try context.output(0, type, broadcast.shape))
            }
        }

    private static let selectTypes = DTypeSet.all
    private static let selectGPUTypes: DTypeSet = [.floatingOrComplex, .index, DTypeSet(.bool)]
}

extension CUDAElementwise {
    /// Starts to compile the selection of elements, which are only moved.
    fileprivate init(select request: KernelRequest) throws {
        let type = try request.type("T").cudaBitsType
        try self.init(request.cudaDevice(), "Select", [.bool, type, type], type, "x ? y : z")
    }
}

private func notBroadcastable(_ condition: Shape, _ yes: Shape, _ no: Shape) -> Status {
    .invalidArgument("condition \(condition), then \(yes), and else \(no) must be broadcastable")
}

extension KernelRequest {
    /// Checks the shapes of a `Select`. Returns whether the condition is a vector that selects whole rows.
    fileprivate func checkSelect(_ context: borrowing KernelContext) throws -> Bool {
        let (condition, shape) = (context.shape(0), context.shape(1))
        let choosesRows = condition.rank == 1 && shape.rank != 1
        if condition.rank != 0, !choosesRows {
            // An elementwise condition: all three inputs must have one shape.
            for index in 1...2 where context.shape(index) != condition {
                throw Status.invalidArgument(
                    "Inputs to operation \(name) of type \(op.name) must have the same size and shape.  "
                        + "Input 0: \(condition) != input \(index): \(context.shape(index))")
            }
        }
        if choosesRows {
            guard shape.rank > 0 else {
                throw Status.invalidArgument("'then' must be at least a vector, but saw shape: \(shape)")
            }
            guard shape[0] == condition[0] else {
                throw Status.invalidArgument(
                    "Number of batches of 'then' must match size of 'cond', but saw: \(shape[0]) vs. \(condition[0])")
            }
        }
        guard shape == context.shape(2) else {
            throw Status.invalidArgument(
                "'then' and 'else' must have the same size.  but received: \(shape) vs. \(context.shape(2))")
        }
        return choosesRows
    }
}

private struct SelectVisitor: MovableVisitor {
    let request: KernelRequest

    func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel {
        let dtype = try request.type("T")
        return .sync { [request] context in
            let choosesRows = try request.checkSelect(context)
            let shape = context.shape(1)
            let holds = context.elements(0, Bool.self)
            if context.shape(0).rank == 0 { return context.setOutput(0, context.input(holds[0] ? 1 : 2)) }
            let (yes, no) = (context.elements(1, E.self), context.elements(2, E.self))
            if !choosesRows {
                let out = try context.output(0, dtype, shape, reusing: 1, 2).mutableElements(E.self)
                return context.pool.parallelFor(out.count, grain: Grain.cheap) { range in
                    for index in range { out[index] = holds[index] ? yes[index] : no[index] }
                }
            }
            let out = try context.output(0, dtype, shape).mutableElements(E.self)
            let width = shape.elementCount / max(shape[0], 1)
            for row in 0..<shape[0] {
                let (source, start) = (holds[row] ? yes : no, row * width)
                for index in start..<start + width { out[index] = source[index] }
            }
        }
    }
}

private struct SelectV2Visitor: MovableVisitor {
    let dtype: DType

    func visit<E: MovableElement>(_ type: E.Type) throws -> Kernel {
        .sync { [dtype] context in
            let shapes = (context.shape(0), context.shape(1), context.shape(2))
            let holds = context.elements(0, Bool.self)
            if shapes.0 == shapes.1, shapes.1 == shapes.2 {
                let (yes, no) = (context.elements(1, E.self), context.elements(2, E.self))
                let out = try context.output(0, dtype, shapes.0, reusing: 1, 2).mutableElements(E.self)
                return context.pool.parallelFor(out.count, grain: Grain.cheap) { range in
                    for index in range { out[index] = holds[index] ? yes[index] : no[index] }
                }
            }
            if shapes.0.rank == 0, shapes.1 == shapes.2 { return context.setOutput(0, context.input(holds[0] ? 1 : 2)) }
            guard let broadcast = SelectBroadcast(shapes.0, shapes.1, shapes.2) else {
                throw notBroadcastable(shapes.0, shapes.1, shapes.2)
            }
            let (yes, no) = (context.elements(1, E.self), context.elements(2, E.self))
            let shape = try Shape(validating: broadcast.dimensions)
            let out = try context.output(0, dtype, shape, reusing: 1, 2).mutableElements(E.self)
            guard let holds = holds.baseAddress, let yes = yes.baseAddress, let no = no.baseAddress, let out = out.baseAddress
            else { return }
            let count = shape.elementCount
            if let (c, t, e) = broadcast.flatSteps(count) {
                return context.pool.parallelFor(count, grain: Grain.cheap) { range in
                    let start = range.lowerBound
                    selectRow(holds + start * c, yes + start * t, no + start * e, out + start, range.count, (c, t, e))
                }
            }
            let length = broadcast.dimensions.last ?? 1
            context.pool.parallelFor(count / max(length, 1), grain: max(1, Grain.cheap / max(length, 1))) { rows in
                for row in rows {
                    let (c, t, e) = broadcast.offsets(ofRow: row)
                    selectRow(holds + c, yes + t, no + e, out + row * length, length, broadcast.innerSteps)
                }
            }
        }
    }
}

/// Selects along a row. Each operand has a stride of 1 or 0.
private func selectRow<E>(
    _ holds: UnsafePointer<Bool>, _ yes: UnsafePointer<E>, _ no: UnsafePointer<E>, _ out: UnsafeMutablePointer<E>,
    _ count: Int, _ steps: (Int, Int, Int)
) {
    switch steps {
    case (0, let t, let e):
        let (source, step) = holds[0] ? (yes, t) : (no, e)
        for index in 0..<count { out[index] = source[index * step] }
    case (_, 0, 0):
        let (a, b) = (yes[0], no[0])
        for index in 0..<count { out[index] = holds[index] ? a : b }
    case (_, 0, _):
        let a = yes[0]
        for index in 0..<count { out[index] = holds[index] ? a : no[index] }
    case (_, _, 0):
        let b = no[0]
        for index in 0..<count { out[index] = holds[index] ? yes[index] : b }
    default:
        for index in 0..<count { out[index] = holds[index] ? yes[index] : no[index] }
    }
}

/// The broadcast of three shapes.
private struct SelectBroadcast {
    let dimensions: [Int]
    private let strides: ([Int], [Int], [Int])
    private let counts: (Int, Int, Int)

    init?(_ a: Shape, _ b: Shape, _ c: Shape) {
        let rank = max(a.rank, b.rank, c.rank)
        func aligned(_ shape: Shape) -> [Int] { [Int](repeating: 1, count: rank - shape.rank) + shape.dimensions }
        let all = (aligned(a), aligned(b), aligned(c))
        var sizes = [Int](repeating: 1, count: rank)
        for index in 0..<rank {
            for size in [all.0[index], all.1[index], all.2[index]] where size != 1 {
                guard sizes[index] == 1 || sizes[index] == size else { return nil }
                sizes[index] = size
            }
        }
        func steps(_ own: [Int]) -> [Int] {
            var (result, stride) = ([Int](repeating: 0, count: rank), 1)
            for index in (0..<rank).reversed() where own[index] != 1 {
                result[index] = stride
                stride &*= own[index]
            }
            return result
        }
        dimensions = sizes
        strides = (steps(all.0), steps(all.1), steps(all.2))
        counts = (a.elementCount, b.elementCount, c.elementCount)
    }

    /// Returns the operands' strides if the result can be processed as one row: each operand has a single element, or as many
    /// as the result.
    func flatSteps(_ count: Int) -> (Int, Int, Int)? {
        func step(_ own: Int) -> Int? { own == count ? 1 : own == 1 ? 0 : nil }
        guard let c = step(counts.0), let t = step(counts.1), let e = step(counts.2) else { return nil }
        return (c, t, e)
    }
    var innerSteps: (Int, Int, Int) { (strides.0.last ?? 0, strides.1.last ?? 0, strides.2.last ?? 0) }

    /// Returns the operands' offsets at the start of an innermost row.
    func offsets(ofRow row: Int) -> (Int, Int, Int) {
        var (rest, a, b, c) = (row, 0, 0, 0)
        for axis in stride(from: dimensions.count - 2, through: 0, by: -1) {
            let position = rest % dimensions[axis]
            rest /= dimensions[axis]
            a += position * strides.0[axis]
            b += position * strides.1[axis]
            c += position * strides.2[axis]
        }
        return (a, b, c)
    }
}

extension Output {
    /// Returns elements of `yes` where this condition is true, and of `no` where it is false, with broadcasting (SelectV2).
    public func select(_ yes: Output, _ no: Output) -> Output { builder.add("SelectV2", [self, yes, no])[0] }
}
