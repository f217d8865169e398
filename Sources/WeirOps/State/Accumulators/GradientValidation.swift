import WeirKernels
import WeirTensor

extension GradientAccumulator {
    /// - Throws: `invalidArgument` when the gradient does not match the accumulator or the gradients that it has.
    /// - Parameter first: the shape of the elements of the first gradient of the step.
    func validate(_ gradient: Gradient, like first: Shape?) throws {
        switch gradient {
        case .dense(let tensor):
            try require(!isSparse, "Accumulator '\(name)' takes sparse gradients, found a dense one")
            try requireType(tensor)
            if let first {
                try require(tensor.shape == first, "Shape mismatch: expected \(first), got \(tensor.shape)")
            }
            try require(
                shape.isCompatible(with: tensor.shape), "Shape mismatch: expected \(shape), got \(tensor.shape)")
        case .sparse(let indices, let values, let whole):
            try require(isSparse, "Accumulator '\(name)' takes dense gradients, found a sparse one")
            try requireType(values)
            try validateRows(indices, values)
            if let whole { try validateWhole(whole) }
            try validateLimits(indices)
            if let first {
                try validateValues(values, against: first)
            } else {
                try validateValues(values)
            }
        }
    }

    private func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
        if !condition { throw Status.invalidArgument(message()) }
    }
    private func requireType(_ tensor: Tensor) throws {
        try require(
            tensor.dtype == dtype, "Accumulator '\(name)' takes gradients of type \(dtype), found \(tensor.dtype)")
    }

    private func validateRows(_ indices: Tensor, _ values: Tensor) throws {
        try require(indices.rank == 1, "Input indices should be vector but received shape: \(indices.shape)")
        try require(values.rank > 0, "Values cannot be 0-dimensional.")
        let count = indices.elementCount
        try require(
            values.dimension(0) == count, "Expected \(count) non-empty input values, got \(values.dimension(0))")
    }

    private func validateWhole(_ whole: Tensor) throws {
        let sizes = try whole.integers("gradient_shape")
        guard let dimensions = shape.dimensions else { return }
        try require(
            dimensions.count <= sizes.count,
            "Shape mismatch: expected shape rank at least \(dimensions.count), got \(sizes.count)")
        for (axis, size) in dimensions.enumerated() {
            if let size {
                try require(
                    size == sizes[axis],
                    "Shape mismatch: expected shape dim \(axis) to be \(size), got \(sizes[axis])")
            }
        }
    }

    private func validateLimits(_ indices: Tensor) throws {
        guard let limit = shape[0] else { return }
        for (position, index) in indices.elements(Int64.self).enumerated() {
            try require(
                index < limit,
                "Shape mismatch: index of slice \(position) exceeded limits of shape; index is \(index) exceeded "
                    + "\(limit)")
        }
    }

    private func validateValues(_ values: Tensor, against total: Shape) throws {
        try require(
            values.rank == total.rank, "Shape mismatch: expected values rank \(total.rank), got \(values.rank)")
        for axis in 1..<max(1, total.rank) { try validateDimension(values, axis, total[axis]) }
    }

    private func validateValues(_ values: Tensor) throws {
        guard let dimensions = shape.dimensions else { return }
        try require(
            dimensions.count <= values.rank,
            "Shape mismatch: expected values rank at least \(dimensions.count), got \(values.rank)")
        for (axis, size) in dimensions.enumerated().dropFirst() {
            if let size { try validateDimension(values, axis, size) }
        }
    }

    private func validateDimension(_ values: Tensor, _ axis: Int, _ size: Int) throws {
        try require(
            values.dimension(axis) == size,
            "Shape mismatch: expected values dim \(axis) to be \(size), got \(values.dimension(axis))")
    }
}
