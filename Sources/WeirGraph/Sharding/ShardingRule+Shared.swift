public import WeirTensor

/// Rules that many ops share. Each returns nil if a rank that it needs is not known.
extension ShardingRule {
    /// Each element of the outputs depends on the inputs' elements at the same index, after broadcasting.
    @Sendable public static func elementwise(_ c: ShardingContext) -> ShardingRule? {
        guard let dimensions = c.output().dimensions else { return nil }
        let labels = ShardingContext.labels(dimensions.count)
        var inputs: [[DimensionLabel]] = []
        for index in 0..<c.inputCount {
            guard let operand = c.input(index).dimensions, operand.count <= dimensions.count else { return nil }
            let offset = dimensions.count - operand.count
            // A dimension of size 1 is repeated along the output's, so that every part needs it.
            inputs.append(operand.enumerated().map { axis, size in size == 1 && dimensions[offset + axis] != 1 ? .whole : labels[offset + axis] })
        }
        return ShardingRule(inputs: inputs, outputs: Array(repeating: labels, count: c.outputCount))
    }
    /// The same for an op that is linear in its inputs together: a sum, a difference, a copy.
    @Sendable public static func linearElementwise(_ c: ShardingContext) -> ShardingRule? { elementwise(c)?.linear() }

    /// Every output depends on input 0 along the dimensions of `dependent`, and elementwise along the others. All tensors have
    /// the same rank; other inputs are whole.
    public static func independent(_ c: ShardingContext, except dependent: Set<Int>) -> ShardingRule? {
        guard let rank = c.input(0).rank else { return nil }
        let labels = (0..<rank).map { dependent.contains($0) ? DimensionLabel.whole : DimensionLabel($0) }
        return ShardingRule(
            inputs: [labels] + Array(repeating: [], count: max(0, c.inputCount - 1)), outputs: Array(repeating: labels, count: c.outputCount))
    }

    /// How a reduction combines the results of parts.
    public enum Reduction: Sendable {
        /// Their sum.
        case sum
        /// Their mean. The parts are equally large.
        case mean
        /// The reduced dimensions cannot be cut.
        case other
    }
    /// Reduces input 0 along the axes in input 1, which are kept with size 1 if the attribute `keep_dims` is true.
    public static func reduction(_ kind: Reduction) -> @Sendable (ShardingContext) -> ShardingRule? {
        { c in
            guard let rank = c.input(0).rank, let axes = c.integers(1), let dtype = c.node.outputTypes.first?.dtype else { return nil }
            // A mean of integers is rounded, so that the mean of parts' means is another number.
            let kind = kind == .mean && !dtype.isFloating && !dtype.isComplex ? .other : kind
            let reduced = Set(axes.compactMap { ShardingContext.axis($0, rank: rank) })
            let all = ShardingContext.labels(rank)
            let keeps = c.attributes.bool("keep_dims") ?? false
            let input = all.indices.map { kind == .other && reduced.contains($0) ? DimensionLabel.whole : all[$0] }
            let output = all.indices.compactMap { reduced.contains($0) ? (keeps ? DimensionLabel.whole : nil) : all[$0] }
            let sums = kind == .other ? [] : Set(reduced.map { all[$0] })
            let rule = ShardingRule(inputs: [input, []], outputs: [output], sums: sums)
            switch kind {
            case .other: return rule
            case .sum: return rule.linear()
            case .mean:
                return rule.linear().computed { local in
                    let outputs = local.outputs(local.inputs)
                    let count = sums.reduce(1) { $0 * local.partCount($1) }
                    guard count > 1, let mean = outputs.first else { return outputs }
                    return [local.op("Mul", mean, local.builder.scalar(1 / Double(count), mean.dtype))]
                }
            }
        }
    }

    /// The output has the elements of input 0 in the same order, in another shape.
    ///
    /// Runs of dimensions with equal products correspond. A cut of the major dimension of such a run cuts it into the same blocks
    /// of elements before and after.
    public static func regrouping(_ from: PartialShape, _ to: PartialShape) -> (input: [DimensionLabel], output: [DimensionLabel])? {
        guard let source = from.dimensions, let target = to.dimensions, !source.contains(0), !target.contains(0) else { return nil }
        var input = [DimensionLabel](repeating: .whole, count: source.count), output = [DimensionLabel](repeating: .whole, count: target.count)
        // Dimensions of size 1 belong to no run.
        let left = source.indices.filter { source[$0] != 1 }, right = target.indices.filter { target[$0] != 1 }
        var (i, j) = (left.count, right.count)
        while i > 0, j > 0 {
            let label = DimensionLabel(left[i - 1])
            guard var a = source[left[i - 1]], var b = target[right[j - 1]] else { break }
            var (p, q) = (i - 1, j - 1)
            while a != b {
                let takesInput = a < b
                guard takesInput ? p > 0 : q > 0, let next = takesInput ? source[left[p - 1]] : target[right[q - 1]] else { break }
                let (product, overflow) = (takesInput ? a : b).multipliedReportingOverflow(by: next)
                guard !overflow else { return nil }
                if takesInput { (a, p) = (product, p - 1) } else { (b, q) = (product, q - 1) }
            }
            guard a == b else { break }
            input[left[p]] = label
            output[right[q]] = label
            (i, j) = (p, q)
        }
        // What is left has an unknown dimension, and is one run.
        if i > 0, j > 0 {
            input[left[0]] = DimensionLabel(source.count)
            output[right[0]] = DimensionLabel(source.count)
        }
        return (input, output)
    }
}
