public import WeirTensor

// Other rows, and other columns.
extension Dataset {
    /// The rows of these numbers, in this order.
    /// - Throws: `outOfRange` when there is no such row.
    public func selecting(_ numbers: some Sequence<Int>) throws(Status) -> Dataset {
        let numbers = Array(numbers)
        if let wrong = numbers.first(where: { !(0..<rowCount).contains($0) }) {
            throw .outOfRange("Expected numbers of rows from 0 to \(rowCount - 1), found \(wrong)")
        }
        return replacing(SelectedRows(source, numbers))
    }

    /// Every `count`-th row, from row `index` on: one of `count` parts that have no row in common, for as many readers. It divides the
    /// rows by their numbers, whether or not they are shuffled.
    /// - Throws: `invalidArgument` unless `index` is in `0..<count`.
    public func shard(count: Int, index: Int) throws(Status) -> Dataset {
        guard count >= 1, (0..<count).contains(index) else {
            throw .invalidArgument("shard: expected an index from 0 to \(count - 1) of at least one shard, found \(index) of \(count)")
        }
        return replacing(SelectedRows(source, Array(stride(from: index, to: rowCount, by: count))))
    }

    /// Divides the rows into `count` folds and returns fold `number` as test rows and the others as training rows.
    ///
    /// With one fold, all rows are test rows. Each row is in one fold, drawn by seed. If a column has classes that are known without
    /// reading, each fold has its share of each class.
    public func fold(_ number: Int, of count: Int, seed: UInt64) throws(Status) -> (train: Dataset, test: Dataset) {
        var labels = [Int](repeating: 0, count: rowCount)
        for column in columns where column.classes != nil && column.shape.rank == 0 {
            guard let known = source.known(column.name), column.dtype.isInteger, column.dtype != .uint64 else { continue }
            labels = try known.integers(column.name)
            break
        }
        let parts = Folds.divide(labels, number, of: count, seed: seed)
        return (replacing(SelectedRows(source, parts.train)), replacing(SelectedRows(source, parts.test)))
    }

    /// The rows that a function makes of these, one of each. The function runs on threads of its own when batches are made, possibly on
    /// several at once, and the rows keep their order. It runs once here, for row 0, to learn the columns; it must return the same columns
    /// for every row. It may block for reading.
    /// - Throws: `invalidArgument` when there is no row; what the function throws for row 0.
    public func map(_ transform: @escaping @Sendable (_ row: [String: Tensor]) throws -> [String: Tensor]) throws(Status) -> Dataset {
        replacing(try MappedRows(source, transform))
    }

    /// The dataset with other names for some columns.
    /// - Parameter names: the new name by the old one.
    /// - Throws: `invalidArgument` when there is no such column, or two would have one name.
    public func renamed(_ names: [String: String]) throws(Status) -> Dataset {
        for old in names.keys.sorted() { _ = try columns.named(old) }
        return replacing(try RenamedColumns(source, columns.map { ($0.name, names[$0.name] ?? $0.name) }))
    }

    /// The dataset with only these columns.
    /// - Throws: `invalidArgument` when there is no such column, or none is named.
    public func keeping(_ names: [String]) throws(Status) -> Dataset { replacing(try RenamedColumns(source, names.map { ($0, $0) })) }

    /// The dataset with columns of numbers joined into one vector of `float32`, in this order, which takes their place.
    /// - Throws: `invalidArgument` when a column does not exist or has no numbers, or the new name is taken.
    public func joined(_ names: [String], as name: String) throws(Status) -> Dataset { replacing(try JoinedColumns(source, names, as: name)) }

    /// The dataset with a column rescaled: `value · scale + offset`, as `float32`. Pixels from 0 to 255 become numbers from -1 to 1 with
    /// `scale: 1 / 127.5, offset: -1`.
    /// - Throws: `invalidArgument` when there is no such column, or it has no numbers.
    public func rescaled(_ name: String, scale: Float, offset: Float = 0) throws(Status) -> Dataset {
        replacing(try RescaledRows(source, name, scale: scale, offsets: [offset]))
    }

    /// The dataset with the mean of each element of a column subtracted, and divided by one scale, their common standard deviation. With
    /// one scale, elements that vary more keep more weight. Reads all rows of `training`, so it may block.
    /// - Parameter training: the rows that give means and scale; nil means these. Standardize test rows like the training rows, because a
    ///   model must not learn anything from them.
    /// - Throws: `invalidArgument` when there is no such column or row, or `training` has another shape; the error of a file.
    public func standardized(_ name: String, like training: Dataset? = nil) throws(Status) -> Dataset {
        try standardized(name, by: (training ?? self).moments(of: name))
    }

    /// The dataset with means subtracted from a column, and divided by a scale.
    func standardized(_ name: String, by moments: (means: [Float], scale: Float)) throws(Status) -> Dataset {
        replacing(try RescaledRows(source, name, scale: 1 / moments.scale, offsets: moments.means.map { -$0 / moments.scale }))
    }

    /// The mean of each element of a column, and the standard deviation of all from their means. Reads all rows.
    func moments(of name: String) throws(Status) -> (means: [Float], scale: Float) {
        let width = try columns.numeric(name).shape.elementCount
        guard rowCount > 0 else { throw .invalidArgument("Column '\(name)': expected rows to standardize by, found none") }
        let only = try RenamedColumns(source, [(name, name)])
        var sums = [Double](repeating: 0, count: width), squares = sums
        // In two passes, because the square of a mean takes away what few digits a deviation has.
        for pass in 0..<2 {
            for start in stride(from: 0, to: rowCount, by: 1024) {
                guard let part = try only.rows(Array(start..<min(rowCount, start + 1024)))[name] else { continue }
                let values = try part.converted(to: .float32, name)
                var element = 0
                for value in values.elements(Float.self) {
                    if pass == 0 {
                        sums[element] += Double(value)
                    } else {
                        let deviation = Double(value) - sums[element]
                        squares[element] += deviation * deviation
                    }
                    element = element + 1 == width ? 0 : element + 1
                }
                withExtendedLifetime(values) {}
            }
            if pass == 0 { for element in 0..<width { sums[element] /= Double(rowCount) } }
        }
        if let wrong = sums.firstIndex(where: { !$0.isFinite }) {
            throw .invalidArgument("Column '\(name)': expected finite numbers to standardize, found others in element \(wrong + 1) of a row")
        }
        let variance = squares.reduce(0) { $0 + $1 / (Double(rowCount) * Double(max(1, width))) }
        return (sums.map { Float($0) }, Float(max(variance.squareRoot(), 1e-6)))
    }
}

/// How rows are divided into folds.
enum Folds {
    /// The numbers of the rows to train on and to test on. Folds are stratified: each has its share of each label.
    static func divide(_ labels: [Int], _ number: Int, of count: Int, seed: UInt64) -> (train: [Int], test: [Int]) {
        let count = max(count, 1)
        var generator = SplitMix(seed: seed)
        var train: [Int] = []
        var test: [Int] = []
        // The assignment continues from class to class, so that the sizes of folds differ by one row at most.
        var next = 0
        let rows = Dictionary(grouping: labels.indices) { labels[$0] }
        for (_, members) in rows.sorted(by: { $0.key < $1.key }) {
            for row in members.shuffled(using: &generator) {
                if next % count == number { test.append(row) } else { train.append(row) }
                next += 1
            }
        }
        return (train.shuffled(using: &generator), test)
    }
}
