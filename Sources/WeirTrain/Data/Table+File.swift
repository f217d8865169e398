import FoundationEssentials
import WeirTensor

extension Table {
    /// Reads a CSV file.
    /// - Throws: `notFound` when the file cannot be read; `invalidArgument` with row and column of the first error.
    public init(csvFile path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw Status.notFound("\(path): cannot be read; expected a CSV file")
        }
        try self.init(csv: String(decoding: data, as: UTF8.self), source: path)
    }
}
