import WeirDevice
import WeirKernels
import WeirTensor

/// Sums and means of tensors of floating-point dtypes.
enum GradientArithmetic {
    /// Adds two tensors. The output may be one of the inputs.
    static func add(_ a: Tensor, _ b: Tensor, into output: Tensor, _ pool: ComputePool) throws {
        try dispatch(output.dtype, Addition(a: a, b: b, output: output, pool: pool))
    }
    /// Adds tensors of one shape from left to right, and divides the sum.
    static func sum(_ inputs: [Tensor], dividedBy divisor: Int, into output: Tensor, _ pool: ComputePool) throws {
        try dispatch(output.dtype, Sum(inputs: inputs, divisor: divisor, output: output, pool: pool))
    }
    /// Divides row i by `counts[i]`.
    static func divideRows(_ a: Tensor, by counts: [Int], into output: Tensor) throws {
        try dispatch(output.dtype, CountedRowDivision(a: a, counts: counts, output: output))
    }
    /// Makes each row of the output from a row of `a`, a row of `b`, or the sum of both.
    static func merge(_ a: Tensor, _ b: Tensor, _ rows: [(mine: Int?, theirs: Int?)], into output: Tensor) throws {
        try dispatch(output.dtype, Merge(a: a, b: b, rows: rows, output: output))
    }

    private static func dispatch(_ dtype: DType, _ operation: some GradientOperation) throws {
        switch dtype {
        case .float32: operation.run(Float.self)
        case .float64: operation.run(Double.self)
        case .float16: operation.run(Float16.self)
        case .bfloat16: operation.run(BFloat16.self)
        default: throw Status.unimplemented("Gradients of type \(dtype) cannot be accumulated")
        }
    }
}

private protocol GradientOperation {
    func run<E: FloatingElement>(_ type: E.Type)
}

private let grain = 64 << 10

private struct Addition: GradientOperation {
    let a: Tensor
    let b: Tensor
    let output: Tensor
    let pool: ComputePool

    func run<E: FloatingElement>(_ type: E.Type) {
        let (x, y, out) = (a.elements(E.self), b.elements(E.self), output.mutableElements(E.self))
        pool.parallelFor(out.count, grain: grain) { range in
            for index in range { out[index] = E.plus(x[index], y[index]) }
        }
    }
}

/// Adds in blocks that stay in the nearest cache, so that each input is read from memory once and the output is written once.
private struct Sum: GradientOperation {
    private static let block = 2048
    let inputs: [Tensor]
    let divisor: Int
    let output: Tensor
    let pool: ComputePool

    func run<E: FloatingElement>(_ type: E.Type) {
        guard let first = inputs.first?.elements(E.self) else { return }
        let (others, out) = (inputs.dropFirst().map { $0.elements(E.self) }, output.mutableElements(E.self))
        let (divides, divisor) = (divisor > 1, E.Compute(divisor))
        pool.parallelFor(out.count, grain: max(Sum.block, grain / inputs.count)) { range in
            var start = range.lowerBound
            while start < range.upperBound {
                let end = min(start + Sum.block, range.upperBound)
                if let second = others.first {
                    for index in start..<end { out[index] = E.plus(first[index], second[index]) }
                } else {
                    for index in start..<end { out[index] = first[index] }
                }
                for other in others.dropFirst() {
                    for index in start..<end { out[index] = E.plus(out[index], other[index]) }
                }
                if divides {
                    for index in start..<end { out[index] = E(compute: out[index].compute / divisor) }
                }
                start = end
            }
        }
    }
}

private struct CountedRowDivision: GradientOperation {
    let a: Tensor
    let counts: [Int]
    let output: Tensor

    func run<E: FloatingElement>(_ type: E.Type) {
        let (x, out) = (a.elements(E.self), output.mutableElements(E.self))
        let width = a.shape.width(after: 1)
        for (row, count) in counts.enumerated() {
            let divisor = E.Compute(count)
            for index in row * width..<(row + 1) * width { out[index] = E(compute: x[index].compute / divisor) }
        }
    }
}

private struct Merge: GradientOperation {
    let a: Tensor
    let b: Tensor
    let rows: [(mine: Int?, theirs: Int?)]
    let output: Tensor

    func run<E: FloatingElement>(_ type: E.Type) {
        let (x, y, out) = (a.elements(E.self), b.elements(E.self), output.mutableElements(E.self))
        let width = output.shape.width(after: 1)
        for (row, source) in rows.enumerated() {
            let start = row * width
            switch (source.mine, source.theirs) {
            case (let mine?, let theirs?):
                let (left, right) = (mine * width, theirs * width)
                for index in 0..<width { out[start + index] = E.plus(x[left + index], y[right + index]) }
            case (let mine?, nil): for index in 0..<width { out[start + index] = x[mine * width + index] }
            case (nil, let theirs?): for index in 0..<width { out[start + index] = y[theirs * width + index] }
            case (nil, nil): break
            }
        }
    }
}
