public import WeirGraph
import WeirKernels
import WeirTensor

private let realTypes = "T: {float, double, int32, uint8, int16, int8, int64, bfloat16, uint16, half, uint32, uint64}"

extension OpDefinition {
    /// The `k` largest elements of each row and their indices, with `k` as an attribute.
    static let topK = OpDefinition(
        "TopK", "(input: T) -> (values: T, indices: int32)", "k: int >= 0", "sorted: bool = true", realTypes
    )
    .shape { c in try topKShape(&c, c.attributes.int("k")) }
    .sharding { c in ShardingRule.independent(c, except: [(c.input(0).rank ?? 0) - 1]) }
    .gradient { g in [topKGradient(g)] }
    .kernel(["T": .real], gpu: ["T": topKGPUTypes]) { try $0.real("T", TopKVisitor(k: try $0.int("k"), indexType: .int32)) }
    .cuda { try cudaTopK($0, k: try $0.int("k"), indexType: .int32) }

    /// The `k` largest elements of each row and their indices, with `k` as an input. Of equal elements the first comes first.
    static let topKV2 = OpDefinition(
        "TopKV2", "(input: T, k: Tk) -> (values: T, indices: index_type)", "sorted: bool = true", realTypes,
        "Tk: {int16, int32, int64} = int32", "index_type: {int16, int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(1, 0)
        try topKShape(&c, try c.constant(1)?.integer("k"))
    }
    .sharding { c in ShardingRule.independent(c, except: [(c.input(0).rank ?? 0) - 1]) }
    .gradient { g in [topKGradient(g), nil] }
    .kernel(["T": .real], gpu: ["T": topKGPUTypes], hostMemory: ["k"]) { request in
        try request.real("T", TopKVisitor(k: nil, indexType: try request.type("index_type")))
    }
    .cuda { try cudaTopK($0, k: nil, indexType: try $0.type("index_type")) }
}

private let topKGPUTypes: DTypeSet = .real

private func topKShape(_ c: inout ShapeContext, _ k: Int?) throws {
    if let k, k < 0 { throw Status.invalidArgument("Need k >= 0, got \(k)") }
    try c.requireRank(0, atLeast: 1)
    guard c.input(0).rank != nil else { return }
    if let k, let width = c.input(0)[-1], width < k {
        throw Status.invalidArgument("input must have last dimension >= k = \(k) but is \(width)")
    }
    let shape = c.input(0).replacing(-1, with: k)
    c.setOutput(0, shape)
    c.setOutput(1, shape)
}

/// Returns the gradient: scatters the values' gradients to the positions of the values.
private func topKGradient(_ g: GradientContext) -> Output {
    func last(_ shape: Output) -> Output {
        g.op("StridedSlice", shape, g.constant([-1]), g.constant([0]), g.constant([1]), attributes: ["shrink_axis_mask": 1])
    }
    let zero = g.constant(Tensor(Int32(0))), one = g.constant(Tensor(Int32(1)))
    let inputShape = g.op("Shape", g.inputs[0]), shape = g.op("Shape", g.outputs[1])
    var indices = g.outputs[1]
    if indices.dtype != .int32 { indices = g.op("Cast", indices, attributes: ["DstT": .type(.int32)]) }
    // Adds the start of each row, which gives positions in the flattened input.
    let width = last(inputShape)
    let rows = g.op("Reshape", indices, g.op("Pack", g.constant(Tensor(Int32(-1))), last(shape)))
    let rowCount = g.op(
        "StridedSlice", g.op("Shape", rows), g.constant([0]), g.constant([1]), g.constant([1]),
        attributes: ["shrink_axis_mask": 1])
    let starts = g.op("ExpandDims", g.op("Mul", g.op("Range", zero, rowCount, one), width), g.constant(Tensor(Int32(-1))))
    let positions = g.op("Reshape", g.op("AddV2", rows, starts), g.constant([-1, 1]))
    let size = g.op("Reshape", g.op("Prod", inputShape, g.constant([0])), g.constant([1]))
    let flat = g.op("ScatterNd", positions, g.op("Reshape", g.gradient(), g.constant([-1])), size)
    return g.op("Reshape", flat, inputShape)
}

private struct TopKVisitor: RealVisitor {
    /// The attribute `k`, or nil if `k` is an input.
    let k: Int?
    let indexType: DType

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        let (k, indexType) = (k, indexType)
        return .sync { context in
            let (k, width, outputShape) = try topKPlan(context, k, indexType)
            let values = try context.output(0, E.dtype, outputShape), indices = try context.output(1, indexType, outputShape)
            guard outputShape.elementCount > 0 else { return }
            let (input, targets) = (context.elements(0, E.self), values.mutableElements(E.self))
            context.pool.parallelFor(input.count / width, grain: max(1, (1 << 15) / width)) { rows in
                var order = TopKOrder<E>(width: width, k: k)
                for row in rows {
                    order.find(UnsafeBufferPointer(rebasing: input[row * width..<(row + 1) * width]))
                    for place in 0..<k { targets[row * k + place] = input[row * width + order.indices[place]] }
                    order.write(indices, row * k)
                }
            }
        }
    }
}

/// Checks `k` and the shape; returns `k`, the width of rows and the outputs' shape.
private func topKPlan(_ context: borrowing KernelContext, _ k: Int?, _ indexType: DType) throws -> (k: Int, width: Int, output: Shape) {
    let k = try k ?? topKCount(context.input(1))
    let shape = context.shape(0)
    guard k >= 0 else { throw Status.invalidArgument("Need k >= 0, got \(k)") }
    guard shape.rank >= 1 else { throw Status.invalidArgument("input must be >= 1-D, got shape \(shape)") }
    let width = shape[shape.rank - 1]
    guard width >= k else {
        throw Status.invalidArgument("input must have at least k columns. Had \(width), needed \(k)")
    }
    if indexType == .int16, width > Int(Int16.max) {
        throw Status.invalidArgument("index_type int16 cannot hold the indices of \(width) columns")
    }
    return (k, width, shape.replacing(shape.rank - 1, with: k))
}

private func cudaTopK(_ request: KernelRequest, k: Int?, indexType: DType) throws -> Kernel {
    let dtype = try request.type("T")
    let program = try CUDATopK(request, dtype, indexType)
    return .sync { context in
        let (k, _, shape) = try topKPlan(context, k, indexType)
        let (values, indices) = (try context.output(0, dtype, shape), try context.output(1, indexType, shape))
        try program.run(k, context.input(0), values, indices)
    }
}

private func topKCount(_ k: Tensor) throws -> Int {
    guard k.rank == 0 else { throw Status.invalidArgument("k must be scalar, got shape \(k.shape)") }
    return try k.integer("k")
}

/// Finds the indices of the `k` largest elements of a row, in descending order. Uses a heap for small `k`, otherwise sorts the
/// whole row.
///
/// NaN is larger than all numbers, except for k = 1, which does what TensorFlow's CPU kernel does: see `findLargest`.
private struct TopKOrder<E: RealElement> {
    let k: Int
    /// The indices; the first `k` are the result.
    private(set) var indices: [Int]
    private let sortsAll: Bool

    init(width: Int, k: Int) {
        self.k = k
        sortsAll = k > 1 && k > width / 4
        indices = [Int](repeating: 0, count: sortsAll ? width : k)
    }

    /// Returns whether element `a` comes before `b`: larger elements first, equal ones by index. NaN is larger than all
    /// numbers.
    private static func precedes(_ row: UnsafeBufferPointer<E>, _ a: Int, _ b: Int) -> Bool {
        let (x, y) = (row[a], row[b])
        if x == y { return a < b }
        if x != x || y != y { return x != x && (y == y || a < b) }
        return x > y
    }

    mutating func find(_ row: UnsafeBufferPointer<E>) {
        if k == 1 { return findLargest(row) }
        if sortsAll {
            for index in 0..<row.count { indices[index] = index }
            indices.sort { TopKOrder.precedes(row, $0, $1) }
            return
        }
        for index in 0..<k { indices[index] = index }
        for root in (0..<k / 2).reversed() { sink(root, row) }
        for index in k..<row.count where row[index] > row[indices[0]] || TopKOrder.precedes(row, index, indices[0]) {
            indices[0] = index
            sink(0, row)
        }
        indices.sort { TopKOrder.precedes(row, $0, $1) }
    }

    /// Finds the largest element for k = 1. TensorFlow computes the maximum by comparisons that each NaN restarts, and then
    /// searches for its first position. So a NaN hides the elements before it, and a NaN at the end selects the first element.
    /// (Where a row fills several vector registers, TensorFlow's answer for NaN also depends on their size.)
    private mutating func findLargest(_ row: UnsafeBufferPointer<E>) {
        var largest = row[0]
        for value in row where !(value < largest) { largest = value }
        indices[0] = row.firstIndex { $0 == largest } ?? 0
    }

    /// Restores the heap below `start`. The heap's root is the element that comes last in the order.
    private mutating func sink(_ start: Int, _ row: UnsafeBufferPointer<E>) {
        var root = start
        while true {
            var last = root
            for child in [2 * root + 1, 2 * root + 2] where child < k && TopKOrder.precedes(row, indices[last], indices[child]) {
                last = child
            }
            if last == root { return }
            indices.swapAt(root, last)
            root = last
        }
    }

    func write(_ tensor: Tensor, _ start: Int) {
        switch tensor.dtype {
        case .int16:
            let target = tensor.mutableElements(Int16.self)
            for place in 0..<k { target[start + place] = Int16(truncatingIfNeeded: indices[place]) }
        case .int32:
            let target = tensor.mutableElements(Int32.self)
            for place in 0..<k { target[start + place] = Int32(truncatingIfNeeded: indices[place]) }
        default:
            let target = tensor.mutableElements(Int64.self)
            for place in 0..<k { target[start + place] = Int64(indices[place]) }
        }
    }
}

extension Output {
    /// Returns the `k` largest elements along the last dimension, in descending order, and their indices (TopKV2).
    public func topK(_ k: Int) -> (values: Output, indices: Output) {
        let operation = builder.add("TopKV2", [self, builder.int32(k, "k")])
        return (operation[0], operation[1])
    }
}
