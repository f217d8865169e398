import Foundation

/// The table of stations in `docs/life-of-a-step.md`.
struct StationTable {
    struct Row {
        var number: Int
        /// The numbers of the stations that come before.
        var after: [Int]
        var process: String
        /// The type; with two, the one with links and the one with gRPC only.
        var types: [String]
        var event: String
        /// Whether only the first step of its kind passes the station.
        var isFirstStepOnly: Bool

        func station(withLinks: Bool) -> Station {
            Station(process: process, type: withLinks ? types[0] : types[types.count - 1], event: event)
        }
    }
    let rows: [Row]
    /// The whole page.
    let page: String

    static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    init() throws {
        page = try String(contentsOf: StationTable.repository.appendingPathComponent("docs/life-of-a-step.md"), encoding: .utf8)
        rows = page.split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map { $0.trimmingCharacters(in: .whitespaces) }
            guard cells.count == 8, let number = Int(cells[1]) else { return nil }
            let isFirstStepOnly = cells[5].hasSuffix(", first step")
            return Row(
                number: number, after: cells[2].split(separator: ",").compactMap { Int($0.trimmingCharacters(in: .whitespaces)) },
                process: cells[3], types: StationTable.code(in: cells[4]),
                event: (isFirstStepOnly ? String(cells[5].dropLast(", first step".count)) : cells[5]).replacing("`", with: ""),
                isFirstStepOnly: isFirstStepOnly)
        }
    }

    /// The texts in backticks.
    static func code(in text: String) -> [String] {
        text.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }.map { String($0.element) }
    }

    /// Returns the nearest stations before a row that the step passes.
    func predecessors(of row: Row, isFirstStep: Bool) -> [Row] {
        rows.filter { row.after.contains($0.number) }.flatMap { before in
            before.isFirstStepOnly && !isFirstStep ? predecessors(of: before, isFirstStep: isFirstStep) : [before]
        }
    }
}
