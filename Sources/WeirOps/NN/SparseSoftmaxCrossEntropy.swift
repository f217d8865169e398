import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The cross entropy between one class label per row and the softmax of logits, and its gradient with respect to the
    /// logits.
    static let sparseSoftmaxCrossEntropyWithLogits = OpDefinition(
        "SparseSoftmaxCrossEntropyWithLogits", "(features: T, labels: Tlabels) -> (loss: T, backprop: T)",
        "T: {half, bfloat16, float, double}", "Tlabels: {int32, int64} = int64"
    )
    .shape { c in
        try c.requireRank(0, 2)
        try c.requireRank(1, 1)
        let (rows, labels) = (c.input(0)[0], c.input(1)[0])
        if let rows, let labels, rows != labels {
            throw Status.invalidArgument("Dimensions must be equal, but are \(rows) and \(labels)")
        }
        c.setOutput(0, .vector(rows ?? labels))
        c.setOutput(1, .matrix(rows ?? labels, c.input(0)[1]))
    }
    .sharding(ShardingRule.rows)
    .gradient { g in [crossEntropyLogitsGradient(g), nil] }
    .kernel(
        ["T": .floating, "Tlabels": .index], gpu: ["T": DTypeSet(.float16, .bfloat16, .float32), "Tlabels": .index],
        make: sparseCrossEntropyKernel
    )
    .cuda(cudaSparseCrossEntropy)
}

/// A card does not fail for a label out of range: its loss and gradients are NaN, as TensorFlow's.
@Sendable private func cudaSparseCrossEntropy(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("T")
    let program = try CUDARows(
        request, dtype, ["I": try request.cudaType("Tlabels")], parameters: ", const T* x, const I* labels, T* loss, T* backprop",
        load: "widen(x[row * width + column])",
        body: CUDARows.largest + CUDARows.sum(keeps: "distance") + """
            int64 label = width > 0 ? (int64)labels[row] : 0;
            bool isLabel = label >= 0 && label < width;
            C logarithm = log(sum), scale = 1 / sum, wrong = (C)__int_as_float(0x7fc00000);
            if (lane == 0 && row < row_count && !isLabel) loss[row] = narrow<T>(wrong);
            // An element is read before its gradient replaces it.
            for (int64 i = lane; i < width; i += lanes) {
                C distance = isKept ? at(i) : at(i) - largest;
                if (i == label) loss[row] = narrow<T>(logarithm - distance);
                backprop[row * width + i] = narrow<T>(isLabel ? exp(distance) * scale - (i == label ? (C)1 : (C)0) : wrong);
            }
            """)
    return .sync { context in
        let (logits, labels) = (context.input(0), context.input(1))
        try checkShapes(logits.shape, labels)
        let loss = try context.output(0, dtype, Shape(logits.dimension(0)))
        let backprop = try context.output(1, dtype, logits.shape, reusing: 0)
        try program.run(
            logits.dimension(0), logits.dimension(1), [logits, labels, loss, backprop].map { .elements($0) })
    }
}

@Sendable private func sparseCrossEntropyKernel(_ request: KernelRequest) throws -> Kernel {
    switch try request.type("T") {
    case .float32: return sparseCrossEntropy(Float.self)
    case .float64: return sparseCrossEntropy(Double.self)
    case .float16: return sparseCrossEntropyWidened(Float16.self)
    case .bfloat16: return sparseCrossEntropyWidened(BFloat16.self)
    default: throw request.unsupportedType("T")
    }
}

private func sparseCrossEntropy<E: SoftmaxElement>(_ type: E.Type) -> Kernel {
    .sync { context in
        let shape = context.shape(0), labels = context.input(1)
        try checkLabels(shape, labels)
        let logits = context.elements(0, E.self).start
        let loss = try context.output(0, E.dtype, Shape(shape[0]))
        let backprop = try context.output(1, E.dtype, shape, reusing: 0)
        sparseCrossEntropyRows(logits, labels, loss, backprop, E.self, context.pool)
    }
}

private func sparseCrossEntropyWidened<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
    .sync { context in
        let shape = context.shape(0), labels = context.input(1)
        try checkLabels(shape, labels)
        let logits = try context.input(0).widened(from: E.self)
        let loss = try context.output(0, E.dtype, Shape(shape[0])), backprop = try context.output(1, E.dtype, shape)
        let wideLoss = try Tensor(.float32, loss.shape)
        defer { keepAlive(logits) }
        sparseCrossEntropyRows(logits.elements(Float.self).start, labels, wideLoss, logits, Float.self, context.pool)
        loss.narrow(from: wideLoss, to: E.self)
        backprop.narrow(from: logits, to: E.self)
    }
}

private func checkShapes(_ logits: Shape, _ labels: Tensor) throws {
    guard logits.rank == 2 else { throw Status.invalidArgument("logits must be 2-D, but got shape \(logits)") }
    guard labels.rank == 1 else { throw Status.invalidArgument("labels must be 1-D, but got shape \(labels.shape)") }
    guard logits[0] == labels.dimension(0) else {
        throw Status.invalidArgument(
            "logits and labels must have the same first dimension, got logits shape \(logits) and labels shape \(labels.shape)")
    }
    guard logits[1] > 0 else { throw Status.invalidArgument("Must have at least one class, but got logits shape \(logits)") }
}

private func checkLabels(_ logits: Shape, _ labels: Tensor) throws {
    try checkShapes(logits, labels)
    var (least, greatest) = (0, 0)
    defer { keepAlive(labels) }
    if labels.dtype == .int32 {
        for label in labels.elements(Int32.self) { (least, greatest) = (min(least, Int(label)), max(greatest, Int(label))) }
    } else {
        for label in labels.elements(Int64.self) { (least, greatest) = (min(least, Int(label)), max(greatest, Int(label))) }
    }
    guard least < 0 || greatest >= logits[1] else { return }
    throw Status.invalidArgument(
        "Received a label value of \(least < 0 ? least : greatest) which is outside the valid range of [0, \(logits[1])).  "
            + "Label values: \(labels.summary(1000))")
}

/// Computes loss and gradient. `backprop` may share the memory of the logits `x`.
private func sparseCrossEntropyRows<E: SoftmaxElement>(
    _ x: UnsafePointer<E>, _ labels: Tensor, _ loss: Tensor, _ backprop: Tensor, _ type: E.Type, _ pool: ComputePool
) {
    let (rowCount, width) = (backprop.dimension(0), backprop.dimension(1))
    defer { keepAlive((labels, loss, backprop)) }
    let (losses, gradients) = (loss.mutableElements(E.self), backprop.mutableElements(E.self).start)
    let narrow = labels.dtype == .int32
    pool.parallelFor(rowCount, grain: max(1, activationGrain / width)) { rows in
        for row in rows {
            let label = narrow ? Int(labels.elements(Int32.self)[row]) : Int(labels.elements(Int64.self)[row])
            let (source, target) = (x + row * width, gradients + row * width)
            let largest = E.maximum(source, width)
            let likelihood = E.minus(source[label], largest)
            let sum = E.exponentials(source, largest, target, width)
            losses[row] = E.minus(E.logarithm(sum), likelihood)
            let scale = E.dividedBy(.one, sum)
            for index in 0..<width { target[index] = E.times(target[index], scale) }
            target[label] = E.minus(target[label], .one)
        }
    }
}

extension Output {
    /// Returns the cross entropy between `labels`, one class index per row, and the softmax of these logits
    /// (SparseSoftmaxCrossEntropyWithLogits).
    public func sparseSoftmaxCrossEntropy(labels: Output) -> Output {
        builder.add("SparseSoftmaxCrossEntropyWithLogits", [self, labels])[0]
    }
}
