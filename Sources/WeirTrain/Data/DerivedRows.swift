import WeirTensor

// Rows made of other rows.

/// Some rows of a source.
struct SelectedRows: RowSource {
    private let source: any RowSource
    /// The numbers of the rows in the source.
    private let numbers: [Int]

    /// - Parameter numbers: numbers of rows of the source.
    init(_ source: any RowSource, _ numbers: [Int]) {
        // A selection of a selection is one selection.
        if let inner = source as? SelectedRows {
            self.source = inner.source
            self.numbers = numbers.map { inner.numbers[$0] }
        } else {
            self.source = source
            self.numbers = numbers
        }
    }

    var columns: [DatasetColumn] { source.columns }
    var rowCount: Int { numbers.count }
    var isInMemory: Bool { source.isInMemory }
    func known(_ column: String) -> Tensor? { source.known(column).flatMap { try? $0.gathered(numbers) } }
    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] { try source.rows(numbers.map { self.numbers[$0] }) }
}

/// The rows that a function makes of a source's rows, one of each.
struct MappedRows: RowSource {
    typealias Transform = @Sendable (_ row: [String: Tensor]) throws -> [String: Tensor]
    private let source: any RowSource
    private let transform: Transform
    let columns: [DatasetColumn]

    /// Makes the first row, to know the columns.
    /// - Throws: `invalidArgument` without a row; what the function throws.
    init(_ source: any RowSource, _ transform: @escaping Transform) throws(Status) {
        self.source = source
        self.transform = transform
        guard source.rowCount > 0 else { throw .invalidArgument("map: expected at least one row, from which the columns are known; found none") }
        let before = try source.rows([0]).mapValues { $0.row(0) }
        let row: [String: Tensor]
        do { row = try transform(before) } catch { throw Status(error) }
        // Classes keep their names as long as the column is what it was.
        columns = row.sorted { $0.key < $1.key }.map { name, tensor in
            let old = source.columns.first { $0.name == name && $0.dtype == tensor.dtype && $0.shape == tensor.shape }
            return DatasetColumn(name, tensor.dtype, tensor.shape, classes: old?.classes)
        }
        guard !columns.isEmpty else { throw .invalidArgument("map: expected a row with at least one column, found an empty one") }
        if let column = columns.first(where: { $0.dtype == .resource || $0.dtype == .variant }) {
            throw .invalidArgument("map: expected columns of numbers, Booleans or strings, found \(column)")
        }
    }

    var rowCount: Int { source.rowCount }
    var isInMemory: Bool { false }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        let rows = try source.rows(numbers)
        var stack = try RowStack(columns, rowCount: numbers.count)
        for (position, number) in numbers.enumerated() {
            let row: [String: Tensor]
            do { row = try transform(rows.mapValues { $0.row(position) }) } catch {
                let status = Status(error)
                throw Status(status.code, "row \(number): \(status.message)")
            }
            try stack.append(row, "map: row \(number)")
        }
        return stack.rows
    }
}

/// A source with a column rescaled: `value · scale + offset`, as `float32`.
struct RescaledRows: RowSource {
    private let source: any RowSource
    private let name: String
    private let scale: Float
    /// One for each element of a row, or one for all.
    private let offsets: [Float]
    let columns: [DatasetColumn]

    /// - Throws: `invalidArgument` when there is no such column, or it has no numbers.
    init(_ source: any RowSource, _ name: String, scale: Float, offsets: [Float]) throws(Status) {
        self.source = source
        self.name = name
        self.scale = scale
        self.offsets = offsets
        let column = try source.columns.numeric(name)
        guard offsets.count == 1 || offsets.count == column.shape.elementCount else {
            throw .invalidArgument("Column '\(name)': expected offsets of \(column.shape.elementCount) elements, found \(offsets.count)")
        }
        columns = source.columns.map { $0.name == name ? DatasetColumn(name, .float32, column.shape) : $0 }
    }

    var rowCount: Int { source.rowCount }
    var isInMemory: Bool { source.isInMemory }
    func known(_ column: String) -> Tensor? { column == name ? nil : source.known(column) }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        var rows = try source.rows(numbers)
        guard let before = rows[name] else { throw .internalError("a source returned rows without its column '\(name)'") }
        let values = try before.converted(to: .float32, name)
        let result = try Tensor(.float32, values.shape)
        let (from, to) = (values.elements(Float.self), result.mutableElements(Float.self))
        var column = 0
        for index in from.indices {
            to[index] = from[index] * scale + offsets[column]
            column = column + 1 == offsets.count ? 0 : column + 1
        }
        withExtendedLifetime(values) {}
        rows[name] = result
        return rows
    }
}

/// A source with some columns joined into one vector of `float32`.
struct JoinedColumns: RowSource {
    private let source: any RowSource
    private let names: [String]
    private let joined: DatasetColumn
    let columns: [DatasetColumn]

    /// - Throws: `invalidArgument` when a column does not exist or has no numbers, or the new name is taken.
    init(_ source: any RowSource, _ names: [String], as name: String) throws(Status) {
        guard !names.isEmpty else { throw .invalidArgument("Column '\(name)': expected at least one column to join, found none") }
        var width = 0
        for (index, part) in names.enumerated() {
            let column = try source.columns.numeric(part)
            guard !names[..<index].contains(part) else { throw .invalidArgument("Column '\(name)': expected each column once, found '\(part)' twice") }
            let (sum, overflow) = width.addingReportingOverflow(column.shape.elementCount)
            guard !overflow else { throw .invalidArgument("Column '\(name)' has too many elements") }
            width = sum
        }
        let others = source.columns.filter { !names.contains($0.name) }
        guard !others.contains(where: { $0.name == name }) else { throw .invalidArgument("The dataset has a column '\(name)' already") }
        self.source = source
        self.names = names
        joined = DatasetColumn(name, .float32, Shape(width))
        columns = (others + [joined]).sorted { $0.name < $1.name }
    }

    var rowCount: Int { source.rowCount }
    var isInMemory: Bool { source.isInMemory }
    func known(_ column: String) -> Tensor? { columns.contains { $0.name == column } && column != joined.name ? source.known(column) : nil }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        var rows = try source.rows(numbers)
        let result = try Tensor(.float32, joined.shape(ofRows: numbers.count))
        let (target, width) = (result.mutableElements(Float.self), joined.shape.elementCount)
        var start = 0
        for name in names {
            guard let part = rows.removeValue(forKey: name) else { throw .internalError("a source returned rows without its column '\(name)'") }
            let values = try part.converted(to: .float32, name)
            let (from, count) = (values.elements(Float.self), values.shape.count(1...))
            for row in numbers.indices {
                for element in 0..<count { target[row * width + start + element] = from[row * count + element] }
            }
            withExtendedLifetime(values) {}
            start += count
        }
        rows[joined.name] = result
        return rows
    }
}

/// A source with only these columns, under other names.
struct RenamedColumns: RowSource {
    private let source: any RowSource
    /// The old name of each new one.
    private let oldNames: [String: String]
    let columns: [DatasetColumn]

    /// - Parameter names: the old name and the new name of each column that is kept.
    /// - Throws: `invalidArgument` when there is no such column, or two would have one name.
    init(_ source: any RowSource, _ names: [(old: String, new: String)]) throws(Status) {
        var columns: [DatasetColumn] = []
        for (old, new) in names {
            var column = try source.columns.named(old)
            guard !columns.contains(where: { $0.name == new }) else { throw .invalidArgument("The dataset would have two columns '\(new)'") }
            column.name = new
            columns.append(column)
        }
        guard !columns.isEmpty else { throw .invalidArgument("A dataset needs at least one column, found none") }
        self.source = source
        self.columns = columns.sorted { $0.name < $1.name }
        oldNames = Dictionary(names.map { ($0.new, $0.old) }, uniquingKeysWith: { first, _ in first })
    }

    var rowCount: Int { source.rowCount }
    var isInMemory: Bool { source.isInMemory }
    func known(_ column: String) -> Tensor? { oldNames[column].flatMap { source.known($0) } }

    func rows(_ numbers: [Int]) throws(Status) -> [String: Tensor] {
        let rows = try source.rows(numbers)
        var result: [String: Tensor] = [:]
        for (new, old) in oldNames { result[new] = rows[old] }
        return result
    }
}

extension [DatasetColumn] {
    /// The column of this name.
    /// - Throws: `invalidArgument` when there is none.
    func named(_ name: String) throws(Status) -> DatasetColumn {
        if let column = first(where: { $0.name == name }) { return column }
        let names = map(\.name)
        let near = name.nearest(among: names)
        throw .invalidArgument(
            "The dataset has no column '\(name)'\(near.isEmpty ? "" : "; near: \(near.joined(separator: ", "))"). Its columns are "
                + names.joined(separator: ", "))
    }

    /// The column of this name, which has numbers or Booleans.
    /// - Throws: `invalidArgument` when there is none.
    func numeric(_ name: String) throws(Status) -> DatasetColumn {
        let column = try named(name)
        guard column.dtype.isFloating || column.dtype.isInteger || column.dtype == .bool else {
            throw .invalidArgument("Column '\(name)': expected numbers, found \(column.dtype)")
        }
        return column
    }
}
