import WeirTensor

/// The first row of a CSV file.
enum CSVHeader {
    /// Checks that the row has names of columns. Without the check, a file without a header would lose its first row of values.
    ///
    /// Ascending integers, such as 0, 1, 2, are names: programs write them for columns that have none.
    /// - Parameters:
    ///   - names: the names of columns of numbers.
    ///   - source: names the file in errors.
    /// - Throws: `invalidArgument` when all are other numbers.
    static func check(_ names: [String], source: String) throws(Status) {
        guard !names.isEmpty, names.allSatisfy({ Double($0) != nil }) else { return }
        let integers = names.compactMap { Int($0) }
        let isCount = integers.count == names.count && zip(integers, integers.dropFirst()).allSatisfy { $1 == $0 &+ 1 }
        if isCount, names.count > 1 || integers[0] == 0 || integers[0] == 1 { return }
        let shown = names.prefix(4).joined(separator: ", ") + (names.count > 4 ? ", …" : "")
        throw .invalidArgument("\(source): row 1: expected a header row, with the names of the columns; found only numbers: \(shown)")
    }
}

extension CSVParser {
    /// Checks that names of columns of numbers are names.
    /// - Throws: as `CSVHeader.check`.
    func checkHeader(_ names: [String]) throws(Status) { try CSVHeader.check(names, source: source) }
}
