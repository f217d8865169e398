public import WeirTensor

/// One named tensor of a dataset's rows: what it is called, and the type and shape that it has in every row.
public struct DatasetColumn: Hashable, Sendable {
    /// The name, by which a model's input finds the column.
    public var name: String
    /// The element type.
    public var dtype: DType
    /// The shape of one row; a batch has the rows as a dimension before.
    public var shape: Shape
    /// For a column of class numbers: the name of each class; nil for other columns.
    public var classes: [String]?
    /// The name of each element of a row, such as those of the columns of a CSV file; nil if they have none.
    public var elementNames: [String]?

    /// Describes a column.
    public init(_ name: String, _ dtype: DType, _ shape: Shape = .scalar, classes: [String]? = nil, elementNames: [String]? = nil) {
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.classes = classes
        self.elementNames = elementNames
    }

    /// The bytes of one row.
    var rowByteCount: Int {
        let (count, overflow) = shape.elementCount.multipliedReportingOverflow(by: dtype.byteCount)
        return overflow ? .max : count
    }

    /// The shape of a tensor of so many rows.
    /// - Throws: `invalidArgument` when no tensor can have it.
    func shape(ofRows count: Int) throws(Status) -> Shape { try Shape(validating: [count] + shape.dimensions) }
}

extension DatasetColumn: CustomStringConvertible {
    /// The name, type and shape: `features: float [4]`.
    public var description: String { "\(name): \(dtype) \(shape)" }
}
