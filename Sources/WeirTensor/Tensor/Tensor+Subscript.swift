extension Tensor {
    /// The part of the tensor at these indices of its first dimensions, without a copy: `matrix[1]` is a row,
    /// `matrix[1, 2]` a scalar.
    ///
    /// - Throws: `outOfRange` when an index is outside its dimension, `invalidArgument` when there are more indices than
    ///   dimensions.
    /// - Complexity: O(number of indices).
    public subscript(indices: Int...) -> Tensor {
        get throws(Status) {
            guard indices.count <= rank else {
                throw .invalidArgument("Expected at most \(rank) indices for a tensor of shape \(shape), found \(indices.count): \(indices)")
            }
            var part = self
            for (axis, index) in indices.enumerated() {
                guard index >= 0, index < dimension(axis) else {
                    throw .outOfRange("Index \(index) of dimension \(axis) is not in 0..<\(dimension(axis)); the tensor has shape \(shape)")
                }
                part = part.row(index)
            }
            return part
        }
    }
}
