import Weir

/// Held-out rows that are pictures, to be shown beside what a model makes of them.
struct ShownRows {
    /// The features of all held-out rows, as the model takes them.
    let features: Tensor
    private let height: Int
    private let width: Int
    private let channels: Int
    private let standardization: Standardization?
    /// What is shown as black and as white: the least and the greatest value of the rows.
    private let range: (least: Float, greatest: Float)
    private static let count = 10
    private static let leastSide = 4

    /// Nil if the rows are no pictures of a size that can be shown.
    init?(_ trained: TrainedModel) throws {
        features = try trained.features()
        guard let column = trained.test.columns.first(where: { $0.name == "features" }) else { return nil }
        switch column.shape.dimensions {
        case let sizes where sizes.count == 3 && [1, 3].contains(sizes[2]): (height, width, channels) = (sizes[0], sizes[1], sizes[2])
        case let sizes where sizes.count == 2: (height, width, channels) = (sizes[0], sizes[1], 1)
        case let sizes:
            let count = sizes.reduce(1, *), side = Int(Double(count).squareRoot().rounded())
            guard sizes.count == 1, side * side == count else { return nil }
            (height, width, channels) = (side, side, 1)
        }
        guard min(height, width) >= ShownRows.leastSide else { return nil }
        standardization = trained.standardization
        let values = try ShownRows.original(features, standardization).array(of: Float.self)
        range = (values.min() ?? 0, values.max() ?? 1)
    }

    private static func original(_ rows: Tensor, _ standardization: Standardization?) throws(Status) -> Tensor {
        if let standardization { return try standardization.undone(rows) }
        return rows
    }

    /// The rows as pictures on the scale of the data.
    private func pictures(_ rows: Tensor) throws(Status) -> [[Float]] {
        let values = try ShownRows.original(rows, standardization).array(of: Float.self), size = height * width * channels
        let scale = max(range.greatest - range.least, .leastNormalMagnitude)
        return (0..<rows.dimension(0)).map { row in values[row * size..<(row + 1) * size].map { ($0 - range.least) / scale } }
    }

    /// Some of the held-out rows, side by side. They are in the order of their classes, so rows far from each other differ.
    func line(_ caption: String, _ rows: Tensor) throws(Status) -> PictureGrid.Line {
        let pictures = try pictures(rows), count = min(ShownRows.count, pictures.count)
        return PictureGrid.Line(caption, (0..<count).map { pictures[(2 * $0 + 1) * pictures.count / (2 * count)] })
    }

    /// All rows, so many side by side.
    func lines(of count: Int, _ rows: Tensor) throws(Status) -> [PictureGrid.Line] {
        let pictures = try pictures(rows)
        return stride(from: 0, to: pictures.count, by: count).map { PictureGrid.Line("", Array(pictures[$0..<min($0 + count, pictures.count)])) }
    }

    func file(_ name: String, _ title: String, _ lines: [PictureGrid.Line]) -> ModelResult {
        let grid = PictureGrid(title: title, height: height, width: width, channels: channels, lines: lines)
        return .file(title: name, name: "\(name).svg", contents: Array(grid.svg.utf8))
    }
}

extension TrainedModel {
    /// The features of the held-out rows that are shown or measured, as the model takes them: a vector of `float32` each. A thousand tell
    /// enough.
    func features() throws(Status) -> Tensor {
        let rows = try test.rescaled("features", scale: 1).keeping(["features"]).rows(0..<min(test.rowCount, 1000))
        guard let features = rows["features"] else { throw .internalError("rows have no column 'features'") }
        return features.reshaped(Shape(features.dimension(0), features.shape.count(1...)))
    }

    /// What the model makes of features.
    func predictions(for features: Tensor) async throws(Status) -> Tensor { try await predictions("features", features) }
    /// What the model's decoder makes of codes.
    func predictions(decoding codes: Tensor) async throws(Status) -> Tensor { try await predictions("code", codes) }

    private func predictions(_ name: String, _ rows: Tensor) async throws(Status) -> Tensor {
        guard let made = try await graph.evaluate(["predictions"], values: values, feeding: [name: rows])["predictions"] else {
            throw .internalError("the model has no predictions")
        }
        return made
    }
}
