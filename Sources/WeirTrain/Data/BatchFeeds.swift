import WeirCluster
import WeirGraph
import WeirTensor

/// Turns rows of a dataset into feeds for a model's placeholders: each takes the column of its name.
struct BatchFeeds {
    private let entries: [(column: DatasetColumn, output: Output, rowShape: Shape)]

    /// - Throws: `invalidArgument` when a placeholder has no column, or cannot hold the column's rows.
    init(_ inputs: [String: Output], _ columns: [DatasetColumn]) throws(Status) {
        var entries: [(DatasetColumn, Output, Shape)] = []
        for (name, output) in inputs.sorted(by: { $0.key < $1.key }) {
            guard let column = columns.first(where: { $0.name == name }) else {
                throw .invalidArgument(
                    "The data has the columns \(columns.map { "'\($0.name)'" }.joined(separator: ", ")); the model also has the input '\(name)'")
            }
            guard Tensor.canConvert(column.dtype, to: output.dtype), let rowShape = BatchFeeds.rowShape(output.shape, column.shape) else {
                throw .invalidArgument(
                    "Input '\(name)' takes rows of \(output.shape) of \(output.dtype); the data has rows of \(column.shape) of \(column.dtype)")
            }
            entries.append((column, output, rowShape))
        }
        self.entries = entries
    }

    /// The shape that a column's rows get for a placeholder: the placeholder's, if it has as many elements; nil if it cannot hold them.
    private static func rowShape(_ placeholder: PartialShape, _ column: Shape) -> Shape? {
        guard let rank = placeholder.rank else { return column }
        guard rank > 0 else { return nil }
        let sizes = (1..<rank).map { placeholder[$0] }
        let known = sizes.compactMap { $0 }
        if known.count == sizes.count {
            let shape = Shape(known)
            return shape.elementCount == column.elementCount ? shape : nil
        }
        guard sizes.count == column.rank, zip(sizes, column.dimensions).allSatisfy({ $0 == nil || $0 == $1 }) else { return nil }
        return column
    }

    /// The feeds of these rows.
    /// - Throws: `invalidArgument` when a number does not fit the placeholder's type.
    func feeds(_ rows: [String: Tensor]) throws(Status) -> [NamedTensor] {
        var feeds: [NamedTensor] = []
        for (column, output, rowShape) in entries {
            guard let values = rows[column.name], values.rank > 0 else { throw .internalError("rows have no column '\(column.name)'") }
            let tensor = try values.converted(to: output.dtype, column.name)
            feeds.append(NamedTensor(output.name, tensor.reshaped(Shape([tensor.dimension(0)]) + rowShape)))
        }
        return feeds
    }
}
