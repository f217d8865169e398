public import WeirTensor

/// The same training with several strategies, side by side: a table, JSON, and a picture of one step of each.
public struct StrategyComparison: Sendable {
    /// One training.
    public struct Entry: Sendable {
        /// The strategy's name, with its options: `pipeline 4×2`.
        public var strategy: String
        /// The cluster: `1 ps, 2 workers`.
        public var cluster: String
        /// The result, or why there is none.
        public var result: Result<TrainingReport, Status>
        /// The greatest memory of each task's process in bytes, by task; empty if it is not known.
        public var memory: [String: Int]
        /// Makes an entry.
        public init(strategy: String, cluster: String, result: Result<TrainingReport, Status>, memory: [String: Int] = [:]) {
            self.strategy = strategy
            self.cluster = cluster
            self.result = result
            self.memory = memory
        }
    }
    /// The trainings, in the order in which they ran.
    public var entries: [Entry]

    /// Makes a comparison.
    public init(_ entries: [Entry] = []) { self.entries = entries }

    /// The table: a header, and a row for each entry. Columns are separated by two spaces, as wide as their widest cell.
    public var table: String {
        let header = ["strategy", "cluster", "steps/s", "rows/s", "bytes/step", "worked", "waited", "memory", "accuracy", "staleness"]
        var rows = [header]
        var notes: [String] = []
        for entry in entries {
            switch entry.result {
            case .success(let report):
                rows.append([entry.strategy, entry.cluster] + StrategyComparison.cells(report, memory: entry.memory))
            case .failure(let status):
                rows.append([entry.strategy, entry.cluster] + [String](repeating: "–", count: header.count - 2))
                notes.append("\(entry.strategy), \(entry.cluster): \(status.message)")
            }
        }
        let widths = header.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let lines = rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column < 2 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        return (lines + notes).joined(separator: "\n")
    }

    private static func cells(_ report: TrainingReport, memory: [String: Int]) -> [String] {
        func number(_ value: Double) -> String { value.isFinite ? (value < 100 ? SVG.number(value) : "\(Int(value.rounded()))") : "–" }
        let devices = report.utilization?.devices ?? []
        func range(_ shares: [Double]) -> String {
            guard let least = shares.min(), let greatest = shares.max() else { return "–" }
            let (low, high) = (DurationText.percent(least), DurationText.percent(greatest))
            return low == high ? low : "\(low.dropLast(2))–\(high)"
        }
        let stale = report.staleness.reduce(into: (sum: 0, count: 0)) { $0.sum += $1.key * $1.value; $0.count += $1.value }
        return [
            number(report.stepsPerSecond), number(report.samplesPerSecond), DurationText.text(byteCount: report.bytesPerStep),
            range(devices.map(\.busyShare)), range(devices.map(\.waitingShare)),
            memory.isEmpty ? "–" : DurationText.text(byteCount: memory.values.reduce(0, &+)),
            report.testAccuracy.isFinite ? "\((report.testAccuracy * 10000).rounded() / 10000)" : "–",
            stale.count == 0 ? "0" : "\((Double(stale.sum) / Double(stale.count) * 100).rounded() / 100) (max \(report.staleness.keys.max() ?? 0))",
        ]
    }

    /// One JSON object for each entry.
    public var jsonLines: [String] { entries.map(StrategyComparison.json) }

    private static func json(_ entry: Entry) -> String {
        func number(_ value: Double) -> String { value.isFinite ? "\(value)" : "null" }
        var members: [(name: String, value: String)] = [("strategy", JSONText.string(entry.strategy)), ("cluster", JSONText.string(entry.cluster))]
        switch entry.result {
        case .failure(let status):
            members += [("error", JSONText.string(status.message)), ("code", JSONText.string("\(status.code)"))]
        case .success(let report):
            members += [
                ("steps_per_s", number(report.stepsPerSecond)), ("rows_per_s", number(report.samplesPerSecond)), ("bytes_per_step", "\(report.bytesPerStep)"),
                ("accuracy", number(report.testAccuracy)), ("dropped_gradients", "\(report.droppedGradients)"),
                ("staleness", JSONText.object(report.staleness.sorted { $0.key < $1.key }.map { ("\($0.key)", "\($0.value)") })),
                ("memory_bytes", JSONText.object(entry.memory.sorted { $0.key < $1.key }.map { ($0.key, "\($0.value)") })),
            ]
            if let used = report.utilization {
                let devices = used.devices.map { device in
                    JSONText.object([
                        ("device", JSONText.string("\(device.task)/\(device.device)")), ("worked", number(device.busyShare)),
                        ("waited", number(device.waitingShare)), ("idle", number(device.idleShare)),
                    ])
                }
                let links = used.links.map { link in
                    JSONText.object([
                        ("from", JSONText.string(link.source)), ("to", JSONText.string(link.destination)), ("bytes", "\(link.byteCount)"),
                        ("tensors", "\(link.tensorCount)"),
                    ])
                }
                members += [("devices", "[\(devices.joined(separator: ","))]"), ("links", "[\(links.joined(separator: ","))]")]
            }
        }
        return JSONText.object(members)
    }

    /// A picture of one step of each strategy: lanes are devices, arrows are tensors.
    public var svg: String {
        TimelinePicture(
            entries.compactMap { entry in
                guard case .success(let report) = entry.result, let timeline = report.timeline else { return nil }
                return TimelinePicture.Panel("\(entry.strategy), \(entry.cluster)", timeline)
            }
        ).svg
    }
}
