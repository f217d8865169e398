import WeirDevice
public import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The cross entropy between labels and the softmax of logits, and its gradient with respect to the logits.
    static let softmaxCrossEntropyWithLogits = OpDefinition(
        "SoftmaxCrossEntropyWithLogits", "(features: T, labels: T) -> (loss: T, backprop: T)",
        "T: {half, bfloat16, float, double}"
    )
    .shape { c in
        let shape = try c.input(0).broadcasting(c.input(1))
        if let rank = shape.rank, rank != 2 { throw Status.invalidArgument("Shape must be rank 2 but is rank \(rank)") }
        c.setOutput(0, .vector(shape[0]))
        c.setOutput(1, .matrix(shape[0], shape[1]))
    }
    .sharding(ShardingRule.rows)
    .gradient { g in
        let labels = g.op("Neg", g.op("LogSoftmax", g.inputs[0]))
        return [crossEntropyLogitsGradient(g), g.op("Mul", columnOf(g), labels)]
    }
    .kernel(["T": .floating], gpu: ["T": .floating], make: crossEntropyKernel)
    .cuda(cudaCrossEntropy)
}

/// Returns the gradient of the loss as a column.
private func columnOf(_ g: GradientContext) -> Output {
    g.op("ExpandDims", g.gradient(), g.constant(Tensor(Int32(-1))))
}

/// Returns the gradient with respect to the logits: the scaled second output. If the second output itself has a gradient, adds
/// its part.
func crossEntropyLogitsGradient(_ g: GradientContext) -> Output {
    let first = g.op("Mul", columnOf(g), g.outputs[1])
    guard let second = g.gradients[1] else { return first }
    let softmax = g.op("Softmax", g.inputs[0])
    let sum = lastAxisSum(g, g.op("Mul", second, softmax))
    return g.op("AddV2", first, g.op("Mul", g.op("Sub", second, sum), softmax))
}

@Sendable private func cudaCrossEntropy(_ request: KernelRequest) throws -> Kernel {
    let dtype = try request.type("T")
    let program = try CUDARows(
        request, dtype,
        parameters: ", const T* x, const T* labels, T* loss, T* backprop, int64 x_row, int64 x_column, int64 label_row, int64 label_column",
        load: "widen(x[row * x_row + column * x_column])",
        body: CUDARows.largest + CUDARows.sum(keeps: "distance") + """
            C logarithm = log(sum), scale = 1 / sum, total = 0;
            for (int64 i = lane; i < width; i += lanes) {
                C distance = isKept ? at(i) : at(i) - largest, label = widen(labels[row * label_row + i * label_column]);
                total += label * (logarithm - distance);
                backprop[row * width + i] = narrow<T>(exp(distance) * scale - label);
            }
            total = join(total, Sum());
            if (lane == 0 && row < row_count) loss[row] = narrow<T>(total);
            """)
    return .sync { context in
        let (logits, labels) = (context.input(0), context.input(1))
        let shape = try crossEntropyShape(logits.shape, labels.shape)
        let (loss, backprop) = (try context.output(0, dtype, Shape(shape[0])), try context.output(1, dtype, shape))
        func steps(_ tensor: Tensor) -> [CUDAArgument] {
            let (row, column) = broadcastSteps(tensor.shape)
            return [.int(row), .int(column)]
        }
        try program.run(
            shape[0], shape[1], [logits, labels, loss, backprop].map { .elements($0) } + steps(logits) + steps(labels))
    }
}

/// Elements from one row and one column of a matrix to the next, when the tensor is broadcast to it.
private func broadcastSteps(_ shape: Shape) -> (row: Int, column: Int) {
    (
        shape.rank == 2 && shape[0] > 1 ? shape[1] : 0, shape.rank >= 1 && shape[shape.rank - 1] > 1 ? 1 : 0
    )
}

@Sendable private func crossEntropyKernel(_ request: KernelRequest) throws -> Kernel {
    switch try request.type("T") {
    case .float32: return crossEntropy(Float.self)
    case .float64: return crossEntropy(Double.self)
    case .float16: return crossEntropyWidened(Float16.self)
    case .bfloat16: return crossEntropyWidened(BFloat16.self)
    default: throw request.unsupportedType("T")
    }
}

private func crossEntropy<E: SoftmaxElement>(_ type: E.Type) -> Kernel {
    .sync { context in
        let shape = try crossEntropyShape(context.shape(0), context.shape(1))
        let logits = try broadcastRows(context.input(0), shape, E.self), labels = try broadcastRows(context.input(1), shape, E.self)
        let loss = try context.output(0, E.dtype, Shape(shape[0]))
        let backprop = try context.output(1, E.dtype, shape)
        crossEntropyRows(logits, labels, loss, backprop, E.self, context.pool)
    }
}

private func crossEntropyWidened<E: FloatingElement>(_ type: E.Type) -> Kernel where E.Compute == Float {
    .sync { context in
        let shape = try crossEntropyShape(context.shape(0), context.shape(1))
        let logits = try broadcastRows(context.input(0).widened(from: E.self), shape, Float.self)
        let labels = try broadcastRows(context.input(1).widened(from: E.self), shape, Float.self)
        let loss = try context.output(0, E.dtype, Shape(shape[0])), backprop = try context.output(1, E.dtype, shape)
        let (wideLoss, wideBackprop) = (try Tensor(.float32, loss.shape), try Tensor(.float32, shape))
        crossEntropyRows(logits, labels, wideLoss, wideBackprop, Float.self, context.pool)
        loss.narrow(from: wideLoss, to: E.self)
        backprop.narrow(from: wideBackprop, to: E.self)
    }
}

/// Returns the shape that logits and labels are broadcast to, which must be a matrix.
private func crossEntropyShape(_ logits: Shape, _ labels: Shape) throws -> Shape {
    if logits == labels, logits.rank == 2 { return logits }
    var dimensions: [Int] = []
    let rank = max(logits.rank, labels.rank)
    for index in 0..<rank {
        let a = index < rank - logits.rank ? 1 : logits[index - (rank - logits.rank)]
        let b = index < rank - labels.rank ? 1 : labels[index - (rank - labels.rank)]
        guard a == b || a == 1 || b == 1 else {
            throw Status.invalidArgument(
                "logits and labels must be broadcastable: logits_size=\(logits) labels_size=\(labels)")
        }
        dimensions.append(a == 1 ? b : a)
    }
    guard rank == 2 else {
        throw Status.invalidArgument(
            "logits and labels must be either 2-dimensional, or broadcasted to be 2-dimensional")
    }
    return try Shape(validating: dimensions)
}

/// Returns the tensor itself, or a copy that is broadcast to `shape`.
private func broadcastRows<E: TensorElement>(_ tensor: Tensor, _ shape: Shape, _ type: E.Type) throws -> Tensor {
    guard tensor.shape != shape else { return tensor }
    let copy = try Tensor(tensor.dtype, shape)
    guard shape.elementCount > 0 else { return copy }
    defer { keepAlive((tensor, copy)) }
    let (source, target) = (tensor.elements(E.self), copy.mutableElements(E.self))
    let (rowStep, columnStep) = broadcastSteps(tensor.shape)
    for row in 0..<shape[0] {
        for column in 0..<shape[1] { target[row * shape[1] + column] = source[row * rowStep + column * columnStep] }
    }
    return copy
}

private func crossEntropyRows<E: SoftmaxElement>(
    _ logits: Tensor, _ labels: Tensor, _ loss: Tensor, _ backprop: Tensor, _ type: E.Type, _ pool: ComputePool
) {
    let (rowCount, width) = (logits.dimension(0), logits.dimension(1))
    defer { keepAlive((logits, labels, loss, backprop)) }
    let (x, y) = (logits.elements(E.self).start, labels.elements(E.self).start)
    let (losses, gradients) = (loss.mutableElements(E.self), backprop.mutableElements(E.self).start)
    pool.parallelFor(rowCount, grain: max(1, activationGrain / max(width, 1))) { rows in
        for row in rows {
            let (source, label, target) = (x + row * width, y + row * width, gradients + row * width)
            let largest = E.maximum(source, width)
            let sum = E.exponentials(source, largest, target, width)
            let logarithm = E.logarithm(sum), scale = E.dividedBy(.one, sum)
            var total = E.zero
            for index in 0..<width {
                let surprise = E.minus(logarithm, E.minus(source[index], largest))
                total = E.plus(total, E.times(label[index], surprise))
                target[index] = E.minus(E.times(target[index], scale), label[index])
            }
            losses[row] = total
        }
    }
}

extension Output {
    /// Returns the cross entropy between `labels`, a distribution over the classes for each row, and the softmax of these
    /// logits (SoftmaxCrossEntropyWithLogits).
    public func softmaxCrossEntropy(labels: Output) -> Output {
        builder.add("SoftmaxCrossEntropyWithLogits", [self, labels])[0]
    }
}
