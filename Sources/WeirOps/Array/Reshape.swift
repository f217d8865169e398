public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// Changes the shape of a tensor. One size may be -1 and is then inferred.
    static let reshape = OpDefinition(
        "Reshape", "(tensor: T, shape: Tshape) -> (output: T)", "T: type", "Tshape: {int32, int64} = int32"
    )
    .shape(reshapeShape)
    .sharding { c in
        guard let labels = ShardingRule.regrouping(c.input(0), c.output()), c.output().dimensions?.count(where: { $0 == nil }) ?? 2 <= 1 else { return nil }
        return ShardingRule(inputs: [labels.input, []], outputs: [labels.output]).linear()
            .computed { local in local.outputs([local.inputs[0], local.localSizes(1, labels.output)]) }
    }
    .knownValue { c in c.reshapedInput() }
    .simplified(.repeated { inner, outer in reshapes(inner, whatever: outer) ? .outerAlone : nil })
    .gradient { g in [g.reshape(g.gradient(), like: g.inputs[0]), nil] }
    .kernel(gpu: ["T": .gpuMovable], hostMemory: ["shape"]) { _ in reshapeKernel }
    .kernel(["T": .int32], gpu: ["T": .int32], hostMemory: ["tensor", "shape", "output"]) { _ in reshapeKernel }
    .cudaAsOnHost()
}

@Sendable private func reshapeShape(_ c: inout ShapeContext) throws {
    if c.input(1).rank == 0 {
        // A scalar must be -1. It asks for an unknown shape.
        if let size = c.integer(1), size != -1 {
            throw Status.invalidArgument(
                "Input tensor must be rank 1, or if its rank 0 it must have value -1 (representing an unknown shape).  "
                    + "Saw value: \(size)")
        }
        return
    }
    let wanted = try c.shapeArgument(1)
    guard let target = wanted.dimensions, let source = c.input(0).dimensions else { return c.setOutput(0, wanted) }
    let open = target.indices.filter { target[$0] == nil }
    let openSource = source.indices.filter { source[$0] == nil }
    let (count, countOverflows) = product(target)
    let (sourceCount, sourceOverflows) = product(source)
    guard !countOverflows, !sourceOverflows else { return c.setOutput(0, wanted) }
    var result = wanted
    switch (openSource.count, open.count) {
    case (0, 0):
        guard count == sourceCount else {
            throw Status.invalidArgument(
                "Cannot reshape a tensor with \(sourceCount) elements to shape \(wanted) (\(count) elements)")
        }
    case (0, 1) where count > 0:
        guard sourceCount % count == 0 else {
            throw Status.invalidArgument(
                "Dimension size must be evenly divisible by \(count) but is \(sourceCount)")
        }
        result = wanted.replacing(open[0], with: sourceCount / count)
    case (1, 0) where sourceCount > 0:
        guard count % sourceCount == 0 else {
            throw Status.invalidArgument(
                "Dimension size must be evenly divisible by \(sourceCount) but is \(count)")
        }
    default: break
    }
    c.setOutput(0, result)
}

/// Returns the product of the known dimensions.
private func product(_ dimensions: [Int?]) -> (Int, overflow: Bool) {
    var product = 1
    for case let dimension? in dimensions {
        let (next, overflow) = product.multipliedReportingOverflow(by: dimension)
        if overflow { return (0, true) }
        product = next
    }
    return (product, false)
}

/// Returns whether every tensor that can be reshaped to `outer` can also be reshaped to `inner` first.
private func reshapes(_ inner: Tensor, whatever outer: Tensor) -> Bool {
    /// Returns the sizes and the product of those that are not -1. Returns nil if the sizes are invalid or the product is 0.
    func known(_ tensor: Tensor) -> (sizes: [Int], count: Int)? {
        guard let sizes = try? tensor.integers(), sizes.count(where: { $0 == -1 }) <= 1,
            let count = try? Shape(validating: sizes.filter { $0 != -1 }).elementCount, count > 0
        else { return nil }
        return (sizes, count)
    }
    guard let before = known(inner), let after = known(outer) else { return false }
    return before.sizes.contains(-1) ? after.count % before.count == 0 : before.count == after.count && !after.sizes.contains(-1)
}

private let reshapeKernel = Kernel.sync { context in
    let input = context.input(0)
    let sizes = context.input(1)
    guard sizes.rank <= 1 else {
        throw Status.invalidArgument("sizes input must be 1-D, not \(sizes.shape)")
    }
    context.setOutput(0, input.shaped(try reshaped(try sizes.integers("sizes"), input.shape)))
}

/// Returns the shape that `sizes` asks for, with -1 replaced.
/// - Throws: `invalidArgument` if the sizes are invalid, or the shape has another element count than `source`.
private func reshaped(_ sizes: [Int], _ source: Shape) throws -> Shape {
    var sizes = sizes
    var open: Int?
    for (index, size) in sizes.enumerated() where size < 0 {
        guard size == -1 else { throw Status.invalidArgument("Size \(index) must be non-negative, not \(size)") }
        if let open { throw Status.invalidArgument("Only one input size may be -1, not both \(open) and \(index)") }
        open = index
        sizes[index] = 1
    }
    let known = try Shape(validating: sizes)
    let result = try open.map { try filling($0, of: known, from: source) } ?? known
    guard result.elementCount == source.elementCount else {
        throw Status.invalidArgument(
            "Input to reshape is a tensor with \(source.elementCount) values, but the requested shape has "
                + "\(result.elementCount)")
    }
    return result
}

/// Returns the shape with the size at `open` inferred. If another size is 0, sizes of 0 on both sides do not count, so that empty
/// tensors keep their other sizes.
private func filling(_ open: Int, of wanted: Shape, from source: Shape) throws -> Shape {
    let skipsZeros = wanted.elementCount == 0
    let product = wrappingProduct(wanted.dimensions.filter { $0 != 0 })
    let count = wrappingProduct(source.dimensions.filter { $0 != 0 || !skipsZeros })
    let isExact = count == source.elementCount
    guard !isExact || count % product == 0 else {
        throw Status.invalidArgument(
            "Input to reshape is a tensor with \(count) values, but the requested shape requires a multiple of "
                + "\(product)")
    }
    var sizes = wanted.dimensions
    sizes[open] = max(0, count / product)
    return try Shape(validating: sizes)
}

extension Output {
    /// Changes the shape to `sizes`. One size may be -1 and is then inferred (`Reshape`).
    public func reshaped(to sizes: [Int]) -> Output {
        reshaped(to: builder.constant(Tensor(sizes.map { Int64($0) })))
    }
    /// Changes the shape to the one that a vector of integers holds (`Reshape`).
    public func reshaped(to sizes: Output) -> Output { builder.add("Reshape", [self, sizes])[0] }
    /// Changes the shape to a vector of all elements (`Reshape`).
    public func flattened() -> Output { reshaped(to: [-1]) }
}
