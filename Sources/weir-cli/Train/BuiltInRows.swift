import Weir

/// Rows that come with Weir, which `--data` names.
struct BuiltInRows: Sendable {
    /// What `--data` takes.
    let name: String
    /// Whether rows are characters of a text, in windows.
    let isText: Bool
    /// Makes the rows.
    let rows: @Sendable (_ window: Int) throws -> TrainingRows

    private init(_ name: String, _ table: @escaping @Sendable () throws -> Table) {
        self.name = name
        isText = false
        rows = { _ in TrainingRows(try table()) }
    }
    private init(_ name: String, text: @escaping @Sendable (_ window: Int) throws(Status) -> Dataset) {
        self.name = name
        isText = true
        rows = { try TrainingRows(text: text($0)) }
    }

    static let all = [
        BuiltInRows("iris") { try Table.iris() }, BuiltInRows("digits") { try Table.digits() },
        BuiltInRows("alice", text: { window throws(Status) in try Dataset.alice(window: window) }),
    ]

    static func named(_ name: String) -> BuiltInRows? { all.first { $0.name == name } }
    /// `iris, digits`.
    static var names: String { all.map(\.name).joined(separator: ", ") }
}
