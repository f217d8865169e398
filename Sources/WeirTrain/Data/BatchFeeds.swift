import WeirCluster
import WeirGraph
import WeirTensor

/// Turns rows of a table into feeds for a model's placeholders.
struct BatchFeeds {
    private let entries: [(column: Column, output: Output)]
    private enum Column { case features, labels }

    /// - Throws: `invalidArgument` when a placeholder is neither `features` nor `labels`, or cannot hold the table's rows.
    init(_ inputs: [String: Output], _ table: Table) throws(Status) {
        var entries: [(Column, Output)] = []
        for (name, output) in inputs.sorted(by: { $0.key < $1.key }) {
            switch name {
            case "features":
                guard let row = BatchFeeds.rowShape(output), Shape(row).elementCount == table.featureCount, [.float32, .float64].contains(output.dtype) else {
                    throw .invalidArgument(
                        "Input 'features' takes rows of \(output.shape) of \(output.dtype); the table has \(table.featureCount) numbers in a row")
                }
                entries.append((.features, output))
            case "labels":
                guard output.shape.rank ?? 1 == 1, [.int32, .int64].contains(output.dtype) else {
                    throw .invalidArgument("Input 'labels' must be a vector of int32 or int64, found \(output)")
                }
                entries.append((.labels, output))
            default:
                throw .invalidArgument("A table has the inputs 'features' and 'labels'; the model also has '\(name)'")
            }
        }
        self.entries = entries
    }

    /// The dimensions of one row; nil if they are not known.
    private static func rowShape(_ output: Output) -> [Int]? {
        guard let rank = output.shape.rank, rank > 0 else { return nil }
        let sizes = (1..<rank).compactMap { output.shape[$0] }
        return sizes.count == rank - 1 ? sizes : nil
    }

    /// The feeds of these rows.
    func feeds(_ rows: Table) throws(Status) -> [NamedTensor] {
        var feeds: [NamedTensor] = []
        for (column, output) in entries {
            let tensor: Tensor
            switch column {
            case .features:
                let shape = Shape([rows.rowCount] + (BatchFeeds.rowShape(output) ?? []))
                tensor = output.dtype == .float64 ? try Tensor(rows.values.map(Double.init), shape: shape) : try Tensor(rows.values, shape: shape)
            case .labels:
                tensor = output.dtype == .int64 ? Tensor(rows.labels.map(Int64.init)) : rows.labelTensor
            }
            feeds.append(NamedTensor(output.name, tensor))
        }
        return feeds
    }
}
