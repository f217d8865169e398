package import WeirGraph
package import WeirTensor

// Constant evaluation while a graph is built, for the ops that compute shapes.

extension KnownValueContext {
    /// Returns input 0 reshaped to the output's shape.
    package mutating func reshapedInput() -> KnownValue? {
        guard let shape = outputShape.known else { return nil }
        switch input(0) {
        case .tensor(let tensor): return tensor.elementCount == shape.elementCount ? .tensor(tensor.reshaped(shape)) : nil
        case .integers(let values, _): return values.count == shape.elementCount ? .integers(values, shape) : nil
        case nil: return nil
        }
    }

    /// Returns the scalar inputs stacked as a vector (Pack).
    package mutating func packed() -> KnownValue? {
        guard outputType.isInteger, shape(0).rank == 0 else { return nil }
        var values: [Int?] = []
        for index in 0..<inputCount { values.append(integer(index)) }
        return result(values, Shape(values.count))
    }

    /// Returns the concatenation of vectors (ConcatV2). A vector with unknown elements must have a known length.
    package mutating func concatenated(_ parts: Range<Int>) -> KnownValue? {
        var values: [Int?] = []
        for index in parts {
            if let part = integers(index) {
                guard part.shape.rank == 1 else { return nil }
                values += part.values
            } else {
                guard shape(index).rank == 1, let count = shape(index)[0], count <= 1000 else { return nil }
                values += [Int?](repeating: nil, count: count)
            }
            guard values.count <= 10_000 else { return nil }
        }
        return result(values, Shape(values.count))
    }

    /// Returns a slice of a vector, with `StridedSlice`'s inputs and masks.
    package mutating func sliced() -> KnownValue? {
        guard let value = integers(0), value.shape.rank == 1, let stride = integer(3), stride != 0,
            attributes.int("ellipsis_mask") == 0, attributes.int("new_axis_mask") == 0
        else { return nil }
        let (values, count) = (value.values, value.values.count)
        func masked(_ name: String) -> Bool { (attributes.int(name) ?? 0) & 1 != 0 }
        if masked("shrink_axis_mask") {
            guard let begin = integer(1) else { return nil }
            let position = begin < 0 ? begin + count : begin
            return values.indices.contains(position) ? result([values[position]], .scalar) : nil
        }
        /// Returns a clamped bound: from 0 to the count, or from -1 to the count less 1 for a negative stride.
        func bound(_ given: Int?, _ isOpen: Bool, _ open: Int) -> Int? {
            if isOpen { return open }
            guard let given else { return nil }
            let front = given < 0 ? given + count : given
            return stride > 0 ? min(max(front, 0), count) : min(max(front, -1), count - 1)
        }
        guard let begin = bound(integer(1), masked("begin_mask"), stride > 0 ? 0 : count - 1),
            let end = bound(integer(2), masked("end_mask"), stride > 0 ? count : -1)
        else { return nil }
        // Clamps the stride: a larger step ends the slice just the same, and the clamped one cannot overflow.
        let step = min(max(stride, -count - 1), count + 1)
        let chosen = Swift.stride(from: begin, to: end, by: step).map { values[$0] }
        return result(chosen, Shape(chosen.count))
    }

    /// Returns the elements of a vector at the given indices (Gather).
    package mutating func gathered() -> KnownValue? {
        guard let value = integers(0), value.shape.rank == 1, let at = integers(1) else { return nil }
        var values: [Int?] = []
        for index in at.values {
            guard let index, value.values.indices.contains(index) else { return nil }
            values.append(value.values[index])
        }
        return result(values, at.shape)
    }

    /// Returns the integers from a start up to a limit (Range), at most 10,000 wide.
    package mutating func range() -> KnownValue? {
        guard let start = integer(0), let limit = integer(1), let delta = integer(2) else { return nil }
        let (distance, overflow) = limit.subtractingReportingOverflow(start)
        guard !overflow, delta != 0, distance.magnitude <= 10_000 else { return nil }
        guard distance != 0, (distance > 0) == (delta > 0) else { return result([], Shape(0)) }
        let count = Int((distance.magnitude - 1) / delta.magnitude) + 1
        return result((0..<count).map { start + $0 * delta }, Shape(count))
    }
}

extension Tensor {
    /// Returns whether every element equals this integer.
    package func areAll(_ number: Int) -> Bool { (try? integers())?.allSatisfy { $0 == number } ?? false }
}
