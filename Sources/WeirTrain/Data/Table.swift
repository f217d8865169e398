public import WeirTensor

/// Rows of numbers with a label each, read from comma-separated text: numeric columns, the last one the label.
public struct Table: Sendable {
    public var columns: [String]
    /// The label's name for each class.
    public var classes: [String]
    /// Row after row.
    public var features: [[Float]]
    /// The class of each row.
    public var labels: [Int32]

    public var rowCount: Int { features.count }
    public var featureCount: Int { columns.count - 1 }

    /// Reads a table with a header row.
    /// - Parameter source: what errors call it.
    /// - Throws: `invalidArgument` with row and column of the first mistake.
    public init(csv text: String, source: String) throws {
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        guard let header = lines.first, !header.allSatisfy(\.isWhitespace) else {
            throw Status.invalidArgument("\(source): expected a header row, found an empty file")
        }
        let columns = Table.fields(header)
        guard columns.count >= 2 else {
            throw Status.invalidArgument("\(source): row 1: expected numeric columns and a label, found \(columns.count) column")
        }
        var names: [String] = []
        var numbers: [[Float]] = []
        for (index, line) in lines.enumerated().dropFirst() where !line.allSatisfy(\.isWhitespace) {
            let fields = Table.fields(line)
            guard fields.count == columns.count else {
                throw Status.invalidArgument("\(source): row \(index + 1): expected \(columns.count) columns, found \(fields.count)")
            }
            numbers.append(
                try fields.dropLast().enumerated().map { column, field in
                    guard let value = Float(field), value.isFinite else {
                        throw Status.invalidArgument(
                            "\(source): row \(index + 1), column \(column + 1) ('\(columns[column])'): expected a number, found '\(field)'")
                    }
                    return value
                })
            guard let label = fields.last, !label.isEmpty else {
                throw Status.invalidArgument("\(source): row \(index + 1), column \(columns.count): expected a label, found nothing")
            }
            names.append(label)
        }
        guard !numbers.isEmpty else { throw Status.invalidArgument("\(source): expected rows after the header, found none") }
        var order: [String: Int32] = [:]
        var classes: [String] = []
        for name in names where order[name] == nil {
            order[name] = Int32(classes.count)
            classes.append(name)
        }
        guard classes.count >= 2 else {
            throw Status.invalidArgument("\(source): expected at least two different labels, found only '\(classes[0])'")
        }
        self.columns = columns
        self.classes = classes
        features = numbers
        labels = names.map { order[$0] ?? 0 }
    }

    private static func fields(_ line: Substring) -> [String] {
        line.split(separator: ",", omittingEmptySubsequences: false).map { field in
            var field = field.drop(while: \.isWhitespace)
            while field.last?.isWhitespace == true { field.removeLast() }
            if field.count >= 2, field.first == "\"", field.last == "\"" { field = field.dropFirst().dropLast() }
            return String(field)
        }
    }

    /// Part of the rows.
    public func rows(_ indices: [Int]) -> Table {
        var part = self
        part.features = indices.map { features[$0] }
        part.labels = indices.map { labels[$0] }
        return part
    }

    /// The rows for testing and for training when the table is cut into `count` folds and one of them is held out.
    ///
    /// With one fold all rows are held out. Each row is in one fold. Each fold has its share of each class (stratified), drawn by seed.
    public func fold(_ number: Int, of count: Int, seed: UInt64) -> (train: Table, test: Table) {
        let count = max(count, 1)
        var generator = SplitMix(seed: seed)
        var train: [Int] = []
        var test: [Int] = []
        // A class begins where the last one ended, so that folds differ by one row at most.
        var next = 0
        for label in classes.indices {
            for row in labels.indices.filter({ Int(labels[$0]) == label }).shuffled(using: &generator) {
                if next % count == number { test.append(row) } else { train.append(row) }
                next += 1
            }
        }
        return (rows(train.shuffled(using: &generator)), rows(test))
    }

    /// Each column's mean, and one scale for all columns, so that those that vary most still say most.
    public var moments: (means: [Float], scale: Float) {
        var means = [Float](repeating: 0, count: featureCount)
        for row in features { for (column, value) in row.enumerated() { means[column] += value / Float(rowCount) } }
        var square: Float = 0
        for row in features {
            for (column, value) in row.enumerated() {
                square += (value - means[column]) * (value - means[column]) / Float(rowCount * featureCount)
            }
        }
        return (means, max(square.squareRoot(), 1e-6))
    }

    /// Each column centred, all scaled alike: by the same numbers for training and test rows.
    public func standardized(_ moments: (means: [Float], scale: Float)) -> Table {
        var copy = self
        copy.features = features.map { row in row.enumerated().map { ($1 - moments.means[$0]) / moments.scale } }
        return copy
    }

    public var featureTensor: Tensor { Tensor(features.flatMap { $0 }, shape: Shape(rowCount, featureCount)) }
    public var labelTensor: Tensor { Tensor(labels) }
}

/// A small random sequence that is the same on every machine.
public struct SplitMix: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
