import WeirTensor

/// What a training did with its devices, for its end: where the ops are, and how the first traced step used devices and links.
public struct TrainingSummary: Sendable {
    private let placement: [(device: String, opCount: Int, byteCount: Int)]
    /// The number of the step, how it used the devices, and what one must know of its times; nil if none was traced.
    private let traced: (step: Int, utilization: StepUtilization, notes: [String])?
    /// How many devices, and how many links, have a row.
    private static let rowLimit = 8
    /// How many parts of the critical path have a row.
    private static let partLimit = 3

    /// Summarizes a training.
    public init(_ report: TrainingReport) {
        placement = report.placement
        traced = report.timelines.first.map { ($0.step, StepUtilization($0.timeline), $0.timeline.notes) }
    }

    /// Lines of two columns: the duration of the traced step, each device, each link by its bytes, the largest first, and the longest
    /// parts of the critical path. Of many devices or links only the first are shown, and the others counted.
    public var rows: [[String]] {
        var rows: [[String]] = []
        if let traced {
            rows.append(["traced step", "\(traced.step), which took \(DurationText.text(nanoseconds: traced.utilization.duration))"])
            rows += traced.notes.map { ["", $0] }
        }
        rows += limited(deviceRows, "devices")
        guard let used = traced?.utilization else { return rows }
        let links = used.links.enumerated().sorted { ($1.element.byteCount, $0.offset) < ($0.element.byteCount, $1.offset) }.map(\.element)
        rows += limited(
            links.map { [ShortName.link($0), "\(DurationText.text(byteCount: $0.byteCount)) in \($0.tensorCount) tensors a step"] }, "links")
        for (index, part) in used.longest.prefix(TrainingSummary.partLimit).enumerated() {
            let text = "\(DurationText.text(nanoseconds: part.duration)) \(part.op) \(part.node), \(ShortName.task(part.task)) \(part.device)"
            rows.append([index == 0 ? "critical path" : "", index == 0 ? "\(text) (of \(DurationText.text(nanoseconds: used.criticalPath.duration)))" : text])
        }
        return rows
    }

    /// A row for each device that has ops or took part in the traced step.
    private var deviceRows: [[String]] {
        var texts: [[String]: String] = [:]
        var order: [[String]] = []
        for device in traced?.utilization.devices ?? [] {
            let key = [device.task, device.device]
            if texts[key] == nil { order.append(key) }
            texts[key] =
                "worked \(DurationText.percent(device.busyShare)), waited \(DurationText.percent(device.waitingShare)), "
                + "idle \(DurationText.percent(device.idleShare))"
        }
        for place in placement {
            let key = TrainingSummary.key(place.device)
            let text = "\(place.opCount) ops, \(DurationText.text(byteCount: place.byteCount))"
            if texts[key] == nil { order.append(key) }
            texts[key] = texts[key].map { "\($0); \(text)" } ?? text
        }
        return order.map { ["\(ShortName.task($0[0])) \($0[1])", texts[$0] ?? ""] }
    }

    /// The task and the device of a whole name, as timelines have them.
    private static func key(_ device: String) -> [String] {
        guard let name = try? DeviceName(device), let type = name.type else { return [device, ""] }
        return [name.taskName.description, "\(type):\(name.index ?? 0)"]
    }

    private func limited(_ rows: [[String]], _ what: String) -> [[String]] {
        guard rows.count > TrainingSummary.rowLimit else { return rows }
        return rows.prefix(TrainingSummary.rowLimit) + [["", "and \(rows.count - TrainingSummary.rowLimit) more \(what)"]]
    }

    /// One JSON object: `placement`, and if a step was traced its number, what `StepUtilization.json` has, and `notes` on its times.
    public var json: String {
        let places = placement.map { place in
            JSONText.object([("device", JSONText.string(place.device)), ("ops", "\(place.opCount)"), ("bytes", "\(place.byteCount)")])
        }
        let step =
            traced.map { traced in
                [("step", "\(traced.step)")] + traced.utilization.jsonMembers + [("notes", JSONText.array(traced.notes.map { JSONText.string($0) }))]
            } ?? []
        return JSONText.object([("placement", JSONText.array(places))] + step)
    }
}
