import WeirTensor

extension ShardingRule {
    /// Looks up slices of input 0, a table or the handle of a variable, along an axis, by the indices in input 1.
    ///
    /// If the axis is cut, each device looks up the indices of its part and has zeros for the others, so that the sum is the result.
    /// An index that is out of range is out of range on the first or the last device too, and fails there.
    public static func lookup(_ c: ShardingContext, axis: Int) -> ShardingRule? {
        guard let table = c.input(0).dimensions, table.indices.contains(axis), let indexRank = c.input(1).rank, let dtype = c.node.outputTypes.first?.dtype
        else { return nil }
        let rows = DimensionLabel(axis)
        let isSummable = (dtype.isFloating || dtype.isComplex) && table[axis] != nil
        var labels = ShardingContext.labels(table.count)
        let positions = (0..<indexRank).map { DimensionLabel(table.count + $0) }
        let output = Array(labels[..<axis]) + positions + Array(labels[(axis + 1)...])
        if !isSummable { labels[axis] = .whole }
        let others = Array(repeating: [DimensionLabel](), count: max(0, c.inputCount - 2))
        let rule = ShardingRule(inputs: [labels, positions] + others, outputs: [output], sums: isSummable ? [rows] : [])
        guard let size = table[axis], isSummable else { return rule }
        let trailing = table.count - axis - 1
        return rule.computed { local in
            let (count, part) = (local.partCount(rows), local.partIndex(rows))
            guard count > 1, local.inputs.count > 1 else { return local.outputs(local.inputs) }
            let (indices, rowCount) = (local.inputs[1], size / count)
            func number(_ value: Int) -> Output { local.builder.scalar(Double(value), indices.dtype) }
            let shifted = part == 0 ? indices : local.op("Sub", indices, number(part * rowCount))
            var isHere = local.op(part > 0 ? "GreaterEqual" : "Less", shifted, number(part > 0 ? 0 : rowCount))
            if part > 0, part < count - 1 { isHere = local.op("LogicalAnd", isHere, local.op("Less", shifted, number(rowCount))) }
            var inputs = local.inputs
            inputs[1] = local.op("SelectV2", isHere, shifted, number(0))
            guard let found = local.outputs(inputs).first else { return [] }
            for _ in 0..<trailing { isHere = local.op("ExpandDims", isHere, local.builder.scalar(-1, .int32)) }
            return [local.op("SelectV2", isHere, found, local.builder.scalar(0, found.dtype))]
        }
    }

    /// The product of matrices, or of batches of matrices whose batch dimensions are broadcast.
    public static func product(_ c: ShardingContext, transposesLeft: Bool, transposesRight: Bool) -> ShardingRule? {
        guard let left = c.input(0).dimensions, let right = c.input(1).dimensions, left.count >= 2, right.count >= 2 else { return nil }
        let (rows, depth, columns) = (DimensionLabel("m"), DimensionLabel("k"), DimensionLabel("n"))
        let batchRank = max(left.count, right.count) - 2
        let output = c.output().dimensions ?? Array(repeating: nil, count: batchRank + 2)
        let batch = ShardingContext.labels(batchRank)
        guard output.count == batchRank + 2 else { return nil }
        func operand(_ sizes: [Int?], _ matrix: [DimensionLabel]) -> [DimensionLabel] {
            let offset = batchRank + 2 - sizes.count
            return (0..<sizes.count - 2).map { sizes[$0] == 1 && output[offset + $0] != 1 ? .whole : batch[offset + $0] } + matrix
        }
        return ShardingRule(
            inputs: [
                operand(left, transposesLeft ? [depth, rows] : [rows, depth]), operand(right, transposesRight ? [columns, depth] : [depth, columns]),
            ], outputs: [batch + [rows, columns]], sums: [depth])
    }
}
