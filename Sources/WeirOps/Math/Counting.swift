import WeirGraph
import WeirKernels
import WeirTensor

extension OpDefinition {
    /// The count, or the sum of weights, of each integer in 0..<size. Integers from `size` on are ignored; negative ones fail.
    static let bincount = OpDefinition(
        "Bincount", "(arr: int32, size: int32, weights: T) -> (bins: T)", "T: {int32, int64, float, double}"
    )
    .shape { c in
        try c.requireRank(1, 0)
        let size = try c.constant(1)?.integer("size")
        if let size, size < 0 { throw Status.invalidArgument("size (\(size)) must be non-negative") }
        c.setOutput(0, .vector(size))
    }
    .noGradient()
    .kernel(["T": countTypes], gpu: ["T": DTypeSet(.int32, .float32)], hostMemory: ["size"]) {
        try $0.countable(BincountVisitor(plan: BincountPlan(index: .int32, isDense: false, isBinary: false)))
    }
    .cuda { try CUDABincount($0, BincountPlan(index: .int32, isDense: false, isBinary: false)).kernel }

    /// Like `Bincount`, for each row of a matrix. With `binary_output` it says only whether the integer occurs.
    static let denseBincount = OpDefinition(
        "DenseBincount", "(input: Tidx, size: Tidx, weights: T) -> (output: T)", "Tidx: {int32, int64}",
        "T: {int32, int64, float, double}", "binary_output: bool = false"
    )
    .shape { c in
        try c.requireRank(1, 0)
        if let rank = c.input(0).rank, rank > 2 {
            throw Status.invalidArgument("Shape must be at most rank 2 but is rank \(rank)")
        }
        let size = try c.constant(1)?.integer("size")
        if let size, size < 0 { throw Status.invalidArgument("size (\(size)) must be non-negative") }
        guard let rank = c.input(0).rank else { return }
        c.setOutput(0, rank == 2 ? .matrix(c.input(0)[0], size) : .vector(size))
    }
    .noGradient()
    .kernel(["T": countTypes], gpu: ["T": DTypeSet(.int32, .float32)], hostMemory: ["size"]) {
        try $0.countable(BincountVisitor(plan: BincountPlan(dense: $0)))
    }
    .cuda { try CUDABincount($0, BincountPlan(dense: $0)).kernel }

    private static let countTypes = DTypeSet(.int32, .int64, .float32, .float64)

    /// The number of values in each of `nbins` equal parts of a range. Values outside count in the first or last part.
    static let histogramFixedWidth = OpDefinition(
        "HistogramFixedWidth", "(values: T, value_range: T, nbins: int32) -> (out: dtype)", "T: {int32, int64, float, double}",
        "dtype: {int32, int64} = int32"
    )
    .shape { c in
        try c.requireRank(1, 1)
        if let size = c.input(1)[0], size != 2 { throw Status.invalidArgument("Dimension must be 2 but is \(size)") }
        try c.requireRank(2, 0)
        let count = try c.constant(2)?.integer("nbins")
        if let count, count <= 0 { throw Status.invalidArgument("Requires nbins > 0: \(count)") }
        c.setOutput(0, .vector(count))
    }
    .noGradient()
    .kernel(["T": countTypes], gpu: ["T": .floating, "dtype": DTypeSet(.int32)], hostMemory: ["value_range", "nbins"]) {
        try $0.countable(HistogramVisitor(output: try $0.type("dtype")))
    }
    .cuda(cudaHistogram)

    /// The index of the bucket, given by sorted boundaries, that each value lies in.
    static let bucketize = OpDefinition(
        "Bucketize", "(input: T) -> (output: int32)", "T: {int32, int64, float, double}", "boundaries: list(float)"
    )
    .shape(ShapeFunctions.unchanged)
    .noGradient()
    .kernel(["T": countTypes], gpu: ["T": countTypes]) { request in
        try request.countable(BucketizeVisitor(boundaries: request.boundaries()))
    }
    .cuda { try cudaBucketize($0, $0.boundaries()) }
}

extension KernelRequest {
    /// The boundaries of a `Bucketize`.
    fileprivate func boundaries() throws -> [Float] {
        guard let boundaries = attributes.floats("boundaries") else {
            throw Status.invalidArgument("Bucketize node '\(name)': attribute 'boundaries' must be a list of floats")
        }
        guard zip(boundaries, boundaries.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw Status.invalidArgument("Expected sorted boundaries")
        }
        return boundaries
    }
    /// Returns the kernel for the dtype of `T`, which is one of the four that these ops take.
    fileprivate func countable(_ visitor: some RealVisitor) throws -> Kernel {
        switch try type("T") {
        case .int32: try visitor.visit(Int32.self)
        case .int64: try visitor.visit(Int64.self)
        case .float32: try visitor.visit(Float.self)
        case .float64: try visitor.visit(Double.self)
        default: throw unsupportedType("T")
        }
    }
}

/// What a node counts.
struct BincountPlan: Sendable {
    /// The type of the integers.
    let index: DType
    /// Whether each row of a matrix is counted.
    let isDense: Bool
    /// Whether the result only says which integers occur.
    let isBinary: Bool

    init(index: DType, isDense: Bool, isBinary: Bool) { (self.index, self.isDense, self.isBinary) = (index, isDense, isBinary) }
    init(dense request: KernelRequest) throws {
        self.init(index: try request.type("Tidx"), isDense: true, isBinary: try request.bool("binary_output"))
    }

    /// Checks the inputs. Returns the number of bins and of elements of a row, the result's shape, and whether there are weights.
    func sizes(_ context: borrowing KernelContext) throws -> (size: Int, length: Int, result: Shape, isWeighted: Bool) {
        guard context.shape(1).elementCount == 1, context.shape(1).rank == 0 else {
            throw Status.invalidArgument("Shape must be rank 0 but is rank \(context.shape(1).rank)")
        }
        let size = try context.input(1).integer("size")
        guard size >= 0 else { throw Status.invalidArgument("size (\(size)) must be non-negative") }
        let (shape, weightShape) = (context.shape(0), context.shape(2))
        guard !isDense || shape.rank <= 2 else {
            throw Status.invalidArgument("Shape must be at most rank 2 but is rank \(shape.rank)")
        }
        guard weightShape == shape || weightShape.elementCount == 0 else {
            throw Status.invalidArgument(
                isDense
                    ? "`weights` must be the same shape as `arr` or a length-0 `Tensor`, in which case it acts as all weights "
                        + "equal to 1. Received \(weightShape)"
                    : "Input indices and weights must have the same size.")
        }
        let rowCount = isDense && shape.rank == 2 ? shape[0] : 1
        let result = isDense && shape.rank == 2 ? try Shape(validating: [rowCount, size]) : try Shape(validating: [size])
        return (size, shape.elementCount / max(rowCount, 1), result, weightShape.elementCount > 0)
    }
}

private struct BincountVisitor: RealVisitor {
    let plan: BincountPlan

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { [plan] context in
            let (size, length, result, isWeighted) = try plan.sizes(context)
            let shape = context.shape(0)
            let weights = isWeighted ? context.elements(2, E.self) : nil
            let tensor = try context.output(0, E.dtype, result)
            tensor.clearElements()
            let bins = tensor.mutableElements(E.self)
            let input = context.input(0)

            func count<I: FixedWidthInteger>(_ type: I.Type) throws {
                let values = input.elements(I.self)
                for (position, value) in values.enumerated() {
                    guard value >= 0 else {
                        throw Status.invalidArgument(
                            plan.isDense && shape.rank == 2
                                ? "Input 'in' must be non-negative! Negative input value found: \(value)"
                                : "Input arr must be non-negative!")
                    }
                    guard value < size else { continue }
                    let bin = position / length * size + Int(value)
                    bins[bin] = plan.isBinary ? E.one : E.plus(bins[bin], weights?[position] ?? E.one)
                }
            }
            if plan.index == .int64 { try count(Int64.self) } else { try count(Int32.self) }
        }
    }
}

/// The range and the number of parts of a histogram of values of a type.
func histogramBounds(_ context: borrowing KernelContext, _ dtype: DType) throws -> (low: Double, high: Double, count: Int) {
    guard context.shape(1) == Shape(2) else {
        throw Status.invalidArgument("value_range should be a vector of 2 elements.")
    }
    guard context.shape(2).rank == 0 else { throw Status.invalidArgument("nbins should be a scalar.") }
    let range = context.input(1)
    let bounds: [Double]
    switch dtype {
    case .float32: bounds = range.elements(Float.self).map { Double($0) }
    case .float64: bounds = Array(range.elements(Double.self))
    default: bounds = try range.integers("value_range").map { Double($0) }
    }
    guard bounds[0] < bounds[1] else {
        throw Status.invalidArgument(
            "value_range should satisfy value_range[0] < value_range[1], but got '[\(numberText(bounds[0])), \(numberText(bounds[1]))]'")
    }
    let count = try context.input(2).integer("nbins")
    guard count > 0 else { throw Status.invalidArgument("nbins should be a positive number, but got '\(count)'") }
    return (bounds[0], bounds[1], count)
}

private struct HistogramVisitor: RealVisitor {
    let output: DType

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { [output] context in
            let (low, high, count) = try histogramBounds(context, E.dtype)
            let values = context.elements(0, E.self)
            let out = try context.output(0, output, Shape(count))
            out.clearElements()
            let width = (high - low) / Double(count)
            func fill<I: FixedWidthInteger>(_ type: I.Type) throws {
                let bins = out.mutableElements(I.self)
                for value in values {
                    guard value == value else { throw Status.invalidArgument("Histogram values must not contain NaN") }
                    let place = ((Swift.max(low, Swift.min(high, value.number)) - low) / width).rounded(.down)
                    bins[place < Double(count) ? Int(place) : count - 1] &+= 1
                }
            }
            if output == .int64 { try fill(Int64.self) } else { try fill(Int32.self) }
        }
    }
}

private struct BucketizeVisitor: RealVisitor {
    let boundaries: [Float]

    func visit<E: RealElement>(_ type: E.Type) throws -> Kernel {
        .sync { [boundaries] context in
            let x = context.elements(0, E.self)
            let out = try context.output(0, .int32, context.shape(0)).mutableElements(Int32.self)
            for index in 0..<x.count {
                // Finds the first boundary that is greater. A NaN goes to the last bucket.
                let value = x[index].number
                var (low, high) = (0, boundaries.count)
                while low < high {
                    let middle = (low + high) / 2
                    if value < Double(boundaries[middle]) { high = middle } else { low = middle + 1 }
                }
                out[index] = Int32(truncatingIfNeeded: low)
            }
        }
    }
}
