import WeirGraph
import WeirTensor

extension CollectiveOperation {
    /// Checks what this member passes, before it joins the others.
    /// - Throws: `invalidArgument` when the tensor or the attributes are wrong for the kind of operation.
    func check(_ input: Tensor?) throws(Status) {
        guard groupSize > 0 else { throw .invalidArgument("group_size must be positive integer but got \(groupSize)") }
        guard dtype.isBitwise else { throw .invalidArgument("Collective '\(name)' cannot send elements of type \(dtype)") }
        if let input, input.dtype != dtype {
            throw .invalidArgument("Collective '\(name)' must have a tensor of type \(dtype), found \(input.dtype)")
        }
        switch kind {
        case .reduce, .reduceScatter:
            guard arithmetic != nil else { throw .unimplemented("Collective '\(name)' has no way to combine tensors of type \(dtype)") }
        case .permute(let target):
            guard target.count == groupSize, target.sorted() == Array(0..<groupSize) else {
                throw .invalidArgument("Collective '\(name)' must have a permutation of 0 to \(groupSize - 1), found \(target)")
            }
        case .gather, .broadcast, .allToAll, .join: break
        }
        _ = try shapes(input)
    }

    /// The shapes of a member's tensor and of its result.
    func shapes(_ input: Tensor?) throws(Status) -> (input: Shape, result: Shape) {
        if case .join = kind { return (.scalar, .scalar) }
        guard let shape = input?.shape ?? self.shape else { throw .invalidArgument("Collective '\(name)' must have an input or a shape") }
        switch kind {
        case .reduce, .permute, .join: return (shape, shape)
        case .broadcast(let isSource):
            guard !isSource || input != nil else { throw .invalidArgument("Collective '\(name)' is the source of a broadcast, but has no input") }
            return (shape, shape)
        case .gather:
            let rows = try rowCount(shape).multipliedReportingOverflow(by: groupSize)
            return (shape, try Shape(validating: [rows.overflow ? .max : rows.partialValue] + shape.dimensions.dropFirst()))
        case .reduceScatter, .allToAll:
            let rows = try rowCount(shape)
            guard rows % groupSize == 0 else {
                throw .invalidArgument(
                    "input to '\(name)' has first dimension size \(rows), which must be a multiple of the group size \(groupSize)")
            }
            if case .allToAll = kind { return (shape, shape) }
            return (shape, shape.replacing(0, with: rows / groupSize))
        }
    }

    private func rowCount(_ shape: Shape) throws(Status) -> Int {
        guard shape.rank > 0 else { throw .invalidArgument("input should have rank > 0, received \(shape.rank)") }
        return shape[0]
    }
}
