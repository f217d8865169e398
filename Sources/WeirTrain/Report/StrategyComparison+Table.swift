import WeirTensor

extension StrategyComparison {
    /// A header and a row for each entry, then what has no room in a row: the bytes of a step by link, and the memory by process.
    ///
    /// Columns are as wide as their widest cell, with two spaces between them. An entry without a report has the reason in place of
    /// its numbers.
    public var table: String {
        let metrics = Set(entries.flatMap { $0.report.map { Array($0.testMetrics.keys) } ?? [] }).sorted()
        let names = (entries.contains { $0.network != nil } ? ["network"] : []) + ["strategy", "cluster"]
        let header = names + ["steps/s", "rows/s", "bytes/step", "worked", "waited", "memory"] + metrics + ["staleness"]
        let rows = [header] + entries.compactMap { entry in entry.report.map { StrategyComparison.cells(entry, $0, metrics) } }
        let widths = header.indices.map { column in
            ((column < names.count ? entries.map(\.name) : []) + rows).map { $0[column].count }.max() ?? 0
        }
        func line(_ cells: [String]) -> String {
            cells.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: max(0, widths[column] - cell.count))
                return column < names.count ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        let body = entries.map { entry in
            switch entry.outcome {
            case .trained(let report): line(StrategyComparison.cells(entry, report, metrics))
            case .inapplicable(let status): line(entry.name) + "  does not apply: \(StrategyComparison.oneLine(status.message))"
            case .failed(let status): line(entry.name) + "  failed: \(StrategyComparison.oneLine(status.message))"
            }
        }
        return ([line(header)] + body + gridLines + linkLines + memoryLines).joined(separator: "\n")
    }

    /// - Parameter metrics: the names of the metrics that have a column.
    private static func cells(_ entry: Entry, _ report: TrainingReport, _ metrics: [String]) -> [String] {
        let devices = report.utilization?.devices ?? []
        let stale = SampleStatistics(counts: report.staleness)
        let measured = metrics.map { name in
            report.testMetrics[name].flatMap { $0.isFinite ? AxisScale.trimmed($0, decimals: 4) : nil } ?? "–"
        }
        let staleness =
            report.staleness.isEmpty ? "0" : "\(AxisScale.trimmed(stale.mean, decimals: 2)) (max \(AxisScale.trimmed(stale.greatest, decimals: 0)))"
        return entry.name + [
            rate(report.stepsPerSecond), rate(report.samplesPerSecond), DurationText.text(byteCount: report.bytesPerStep),
            range(devices.map(\.busyShare)), range(devices.map(\.waitingShare)),
            entry.memory.isEmpty ? "–" : DurationText.text(byteCount: entry.memory.values.saturatingSum),
        ] + measured + [staleness]
    }

    /// A rate with three digits or more.
    private static func rate(_ value: Double) -> String {
        value.isFinite ? AxisScale.trimmed(value, decimals: value < 10 ? 2 : value < 100 ? 1 : 0) : "–"
    }

    /// The least and the greatest of shares: `12–40 %`.
    private static func range(_ shares: [Double]) -> String {
        guard let least = shares.min(), let greatest = shares.max() else { return "–" }
        let (low, high) = (DurationText.percent(least), DurationText.percent(greatest))
        return low == high ? low : "\(low.prefix { $0 != " " })–\(high)"
    }

    /// A text of an error on one line.
    private static func oneLine(_ text: String) -> String { text.split(whereSeparator: \.isNewline).joined(separator: " ") }

    private var linkLines: [String] {
        lines("bytes of the traced step by link") { entry in
            entry.report?.utilization?.links.map { (ShortName.link($0), $0.byteCount) } ?? []
        }
    }
    private var memoryLines: [String] {
        lines("greatest memory by process") { entry in
            entry.memory.count > 1 ? entry.memory.sorted { $0.key < $1.key }.map { (ShortName.task($0.key), $0.value) } : []
        }
    }

    /// A title, and a line for each entry that has parts; nothing if none has.
    private func lines(_ title: String, _ parts: (Entry) -> [(name: String, byteCount: Int)]) -> [String] {
        let lines = entries.compactMap { entry -> String? in
            let texts = parts(entry).map { "\($0.name) \(DurationText.text(byteCount: $0.byteCount))" }
            return texts.isEmpty ? nil : "  \(entry.name.joined(separator: ", ")): \(texts.joined(separator: ", "))"
        }
        return lines.isEmpty ? [] : ["", title] + lines
    }
}
