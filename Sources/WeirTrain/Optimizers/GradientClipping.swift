import WeirGraph
import WeirOps
import WeirTensor

/// What is done with gradients that are too large, before the variables are updated. Strategies clip the mean of all replicas'
/// gradients, as one device would.
public enum GradientClipping: Sendable, Hashable {
    /// Each element is brought between the two numbers. TensorFlow's `clip_by_value`.
    case value(Double, Double)
    /// The gradient of a variable whose norm is larger is scaled to this norm. Parts of a variable are scaled together. TensorFlow's
    /// `clip_by_norm`.
    case norm(Double)
    /// If the norm of all gradients together is larger, all are scaled so that it is this norm: their direction stays. TensorFlow's
    /// `clip_by_global_norm`. Pascanu, Mikolov and Bengio, *On the difficulty of training recurrent neural networks*, 2013.
    ///
    /// If the norm is infinite or NaN, so are the clipped gradients.
    case globalNorm(Double)

    /// Clips gradients, each where its variable is.
    /// - Parameter total: makes the sum of the squares of all gradients of a step from that of these gradients, where some are elsewhere.
    static func apply(
        _ clippings: [GradientClipping], _ gradients: [VariableGradient], in builder: GraphBuilder, total: (Output) -> Output = { $0 }
    ) -> [VariableGradient] {
        clippings.reduce(gradients) { gradients, clipping in
            guard let first = gradients.first else { return gradients }
            return builder.nameScope("clip") { clipping.clipped(gradients, first.variable, total) }
        }
    }

    private func clipped(_ gradients: [VariableGradient], _ first: Variable, _ total: (Output) -> Output) -> [VariableGradient] {
        let builder = first.handle.builder
        switch self {
        case .value(let low, let high):
            guard low <= high else {
                builder.record(.invalidArgument("Gradients are clipped between a lower and a higher number, found \(low) and \(high)"))
                return gradients
            }
            return gradients.map { gradient in
                gradient.mapped { $0.clipped(from: builder.scalar(low, gradient.variable.dtype), to: builder.scalar(high, gradient.variable.dtype)) }
            }
        case .norm(let limit):
            guard isValid(limit, builder) else { return gradients }
            // Parts of one variable follow each other or not; a group has the numbers of its parts.
            let groups = Dictionary(grouping: gradients.indices) { gradients[$0].wholeName }.values.sorted { $0[0] < $1[0] }
            var result = gradients
            for group in groups {
                let parts = group.map { gradients[$0] }
                let squares = sumOfSquares(parts, beside: parts[0].variable)
                let scaled = scale(parts, by: factor(squares, limit, beside: parts[0].variable), beside: parts[0].variable)
                for (index, gradient) in zip(group, scaled) { result[index] = gradient }
            }
            return result
        case .globalNorm(let limit):
            guard isValid(limit, builder) else { return gradients }
            let squares = total(sumOfSquares(gradients, beside: first))
            return scale(gradients, by: factor(squares, limit, beside: first), beside: first)
        }
    }

    private func isValid(_ limit: Double, _ builder: GraphBuilder) -> Bool {
        guard limit > 0, limit.isFinite else {
            builder.record(.invalidArgument("The norm to which gradients are clipped must be above 0, found \(limit)"))
            return false
        }
        return true
    }

    /// The sum of the squares of all elements, a scalar of `float64` if a gradient has this type, of `float32` otherwise. Each gradient's
    /// sum is computed where it is, and they are added in their order.
    private func sumOfSquares(_ gradients: [VariableGradient], beside variable: Variable) -> Output {
        let builder = variable.handle.builder
        let dtype: DType = gradients.contains { $0.variable.dtype == .float64 } ? .float64 : .float32
        let halves = gradients.map { gradient in
            builder.colocate(with: gradient.variable.handle.operation) { () -> Output in
                // The sum of squares of short floats could overflow.
                let values = gradient.value.elements
                return builder.add("L2Loss", [values.dtype == dtype ? values : values.cast(to: dtype)])[0]
            }
        }
        return builder.colocate(with: variable.handle.operation) {
            (halves.count == 1 ? halves[0] : builder.add("AddN", halves)[0]) * 2
        }
    }

    /// `limit / max(norm, limit)`; NaN if the norm is not a number, or infinite.
    private func factor(_ squares: Output, _ limit: Double, beside variable: Variable) -> Output {
        squares.builder.colocate(with: variable.handle.operation) {
            let norm = squares.sqrt()
            // Infinity minus itself is NaN, and so is the sum with it.
            return limit / norm.maximum(limit) + (norm - norm)
        }
    }

    /// Multiplies gradients by a number, of which each device gets one copy.
    private func scale(_ gradients: [VariableGradient], by factor: Output, beside variable: Variable) -> [VariableGradient] {
        var factors: [DType: Output] = [factor.dtype: factor]
        for dtype in gradients.map(\.variable.dtype) where factors[dtype] == nil {
            factors[dtype] = factor.builder.colocate(with: variable.handle.operation) { factor.cast(to: dtype) }
        }
        return gradients.map { gradient in gradient.mapped { $0 * (factors[gradient.variable.dtype] ?? factor) } }
    }
}

extension VariableGradient {
    /// The gradient with other elements, which are made on the variable's device.
    fileprivate func mapped(_ change: (Output) -> Output) -> VariableGradient {
        var result = self
        result.value = variable.handle.builder.colocate(with: variable.handle.operation) { () -> Value in
            switch value {
            case .dense(let output): .dense(change(output))
            case .sparse(let indices, let rows): .sparse(indices: indices, rows: change(rows))
            }
        }
        return result
    }
}

extension VariableGradient.Value {
    /// All elements that are not zero by definition.
    fileprivate var elements: Output {
        switch self {
        case .dense(let output): output
        case .sparse(_, let rows): rows
        }
    }
}
