public import WeirTensor

/// The part of a larger variable that a variable holds: a range along each dimension. TensorFlow's `SaveSliceInfo`.
///
/// A checkpoint has the part under the name of the larger variable. So it can be restored into other parts, or into one variable.
public struct VariableSlice: Sendable, Hashable {
    /// The name of the larger variable.
    public var fullName: String
    /// The shape of the larger variable.
    public var fullShape: Shape
    /// Where the part begins along each dimension of the larger variable.
    public var offsets: [Int]
    /// The first row, of the larger variable, that the part holds.
    public var offset: Int { offsets.first ?? 0 }

    /// Describes a part that begins at row `offset`, and has the whole of the other dimensions.
    public init(fullName: String, fullShape: Shape, offset: Int) {
        self.init(fullName: fullName, fullShape: fullShape, offsets: fullShape.dimensions.indices.map { $0 == 0 ? offset : 0 })
    }

    /// Describes a part that begins at these indices, one for each dimension.
    public init(fullName: String, fullShape: Shape, offsets: [Int]) {
        self.fullName = fullName
        self.fullShape = fullShape
        self.offsets = offsets
    }

    /// The specification in a checkpoint of a part with this shape: `10 4 5,5:0,4` for rows 5 to 9 of 10 rows of 4 elements.
    public func specification(of part: Shape) -> String {
        let whole = fullShape.dimensions.map { "\($0)" }.joined(separator: " ")
        let ranges = part.dimensions.enumerated().map { axis, size in "\(offsets.indices.contains(axis) ? offsets[axis] : 0),\(size)" }
        return whole + " " + ranges.joined(separator: ":")
    }
}
