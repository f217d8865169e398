public import WeirTensor

/// The rows of a larger variable that a variable holds. TensorFlow's `SaveSliceInfo`.
///
/// A checkpoint has the rows under the name of the larger variable. So it can be restored into another number of parts, or into
/// one variable.
public struct VariableSlice: Sendable, Hashable {
    /// The name of the larger variable.
    public var fullName: String
    /// The shape of the larger variable.
    public var fullShape: Shape
    /// The first row, of the larger variable, that the part holds.
    public var offset: Int

    /// Describes a part that begins at row `offset`.
    public init(fullName: String, fullShape: Shape, offset: Int) {
        self.fullName = fullName
        self.fullShape = fullShape
        self.offset = offset
    }

    /// The specification in a checkpoint of a part with this shape: `10 4 5,5:0,4` for rows 5 to 9 of 10 rows of 4 elements.
    public func specification(of part: Shape) -> String {
        let whole = fullShape.dimensions.map { "\($0)" }.joined(separator: " ")
        let ranges = part.dimensions.enumerated().map { axis, size in "\(axis == 0 ? offset : 0),\(size)" }
        return whole + " " + ranges.joined(separator: ":")
    }
}
