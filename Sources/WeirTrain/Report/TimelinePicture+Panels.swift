import WeirTensor

extension TimelinePicture {
    /// Draws a panel, and counts what it leaves out.
    func draw(_ panel: Panel, top: Double, height: Double, _ axis: AxisScale, _ omissions: inout Omissions, in svg: inout SVG) {
        let timeline = panel.timeline
        func x(_ time: Int) -> Double {
            TimelinePicture.left + axis.position(Double(time - timeline.start) / 1e6) * TimelinePicture.plotWidth
        }
        let moved = timeline.arrows.lazy.map(\.byteCount).saturatingSum
        let facts = "\(DurationText.text(nanoseconds: timeline.duration)), \(timeline.intervalCount) node runs, \(DurationText.text(byteCount: moved)) moved"
        let title = SVG.fitted(panel.title, to: 700, size: 13)
        svg.text(title, x: TimelinePicture.left, y: top - 9, color: "#222", size: 13, isBold: true)
        svg.text(facts, x: TimelinePicture.left + SVG.width(of: title, size: 13) * 1.1 + 14, y: top - 9)
        for index in timeline.lanes.indices {
            let y = top + Double(index) * TimelinePicture.laneHeight
            svg.rectangle(
                x: TimelinePicture.left, y: y + 1, width: x(timeline.end) - TimelinePicture.left, height: TimelinePicture.laneHeight - 3, color: "#f4f5f7")
        }
        for tick in axis.ticks {
            let place = TimelinePicture.left + axis.position(tick) * TimelinePicture.plotWidth
            svg.line(x1: place, y1: top, x2: place, y2: top + height, color: "#dfe2e6", width: 0.6)
        }
        for (device, (index, lane)) in zip(StepUtilization(timeline).devices, timeline.lanes.enumerated()) {
            let y = top + Double(index) * TimelinePicture.laneHeight
            let middle = y + TimelinePicture.laneHeight / 2 + 3
            svg.text(SVG.fitted(label(lane), to: TimelinePicture.left - 18, size: 11), x: TimelinePicture.left - 8, y: middle, anchor: .end, color: "#222")
            svg.text(DurationText.percent(device.bubbleShare), x: TimelinePicture.width - 16, y: middle, anchor: .end, color: "#222", size: 12)
            omissions.merged += draw(lane, y: y, at: x, from: timeline.start, in: &svg)
        }
        drawPath(timeline, top: top, at: x, in: &svg)
        omissions.arrows += drawArrows(timeline, top: top, at: x, in: &svg)
    }

    /// `worker 0 CPU:0`.
    private func label(_ lane: StepTimeline.Lane) -> String {
        guard let task = try? DeviceName(lane.task), let job = task.job else { return lane.device }
        return "\(job) \(task.task ?? 0) \(lane.device)"
    }

    /// - Returns: how many runs are drawn together with others.
    private func draw(_ lane: StepTimeline.Lane, y: Double, at x: (Int) -> Double, from start: Int, in svg: inout SVG) -> Int {
        let rows = min(max(lane.workTrackCount, 1), TimelinePicture.rowLimit)
        let rowHeight = TimelinePicture.bodyHeight / Double(rows)
        var merged = 0
        let waits = TimeRanges(union: lane.intervals.lazy.filter(\.isWaiting).map { $0.start..<$0.end })
        for wait in waits.ranges {
            svg.rectangle(
                x: x(wait.lowerBound), y: y + 26, width: max(x(wait.upperBound) - x(wait.lowerBound), 0.3), height: 4, color: TimelinePicture.waitColor)
        }
        for row in 0..<rows {
            let runs = lane.intervals.filter { !$0.isWaiting && min($0.track, rows - 1) == row }
            let boxes = TimelineBoxes(runs, at: x)
            merged += boxes.mergedCount
            for box in boxes.boxes {
                let height = rowHeight - (rows > 1 ? 0.6 : 0)
                svg.rectangle(
                    x: box.x, y: y + 4 + Double(row) * rowHeight, width: max(box.width, 0.5), height: height, color: TimelinePicture.color(box.kind),
                    radius: box.width > 4 ? 1.5 : 0, title: title(box, from: start))
                // A name that does not fit would be read as that of the next box.
                if let interval = box.interval, rows < 3, box.width > SVG.width(of: interval.op, size: 10) + 6 {
                    svg.text(
                        interval.op, x: box.x + box.width / 2, y: y + 4 + Double(row) * rowHeight + height / 2 + 3.5, anchor: .middle, color: "#fff",
                        size: rows == 1 ? 10 : 8)
                }
            }
        }
        return merged
    }

    private func title(_ box: TimelineBoxes.Box, from start: Int) -> String {
        guard let run = box.interval else { return "\(box.count) node runs" }
        let times = "\(DurationText.text(nanoseconds: run.end - run.start)) from \(DurationText.text(nanoseconds: run.start - start))"
        return "\(run.node) (\(run.op)): \(times)" + (run.byteCount > 0 ? ", \(DurationText.text(byteCount: run.byteCount))" : "")
    }

    private func drawPath(_ timeline: StepTimeline, top: Double, at x: (Int) -> Double, in svg: inout SVG) {
        let byLane = Dictionary(grouping: CriticalPath(timeline).steps, by: \.position.lane)
        for (lane, steps) in byLane.sorted(by: { $0.key < $1.key }) {
            let y = top + Double(lane) * TimelinePicture.laneHeight + 24.5
            for range in TimeRanges(union: steps.map { $0.start..<$0.start + $0.duration }).ranges {
                svg.line(
                    x1: x(range.lowerBound), y1: y, x2: max(x(range.upperBound), x(range.lowerBound) + 0.4), y2: y, color: TimelinePicture.pathColor, width: 1.6
                )
            }
        }
    }

    /// - Returns: how many arrows are left out.
    private func drawArrows(_ timeline: StepTimeline, top: Double, at x: (Int) -> Double, in svg: inout SVG) -> Int {
        // Arrows between the same two places are one.
        struct Place: Hashable {
            let source, target, start, end: Int
        }
        var groups: [Place: (bytes: Int, count: Int, edge: String)] = [:]
        for arrow in timeline.arrows {
            let (start, end) = (x(timeline.interval(arrow.source).end), x(arrow.end))
            let place = Place(source: arrow.source.lane, target: arrow.target.lane, start: Int(start / 2), end: Int(end / 2))
            let group = groups[place] ?? (0, 0, arrow.edge)
            groups[place] = ([group.bytes, arrow.byteCount].saturatingSum, group.count + 1, group.edge)
        }
        let drawn = groups.sorted { a, b in
            (-a.value.bytes, a.key.end, a.key.start, a.key.source, a.key.target) < (-b.value.bytes, b.key.end, b.key.start, b.key.source, b.key.target)
        }
        let largest = Double(max(drawn.first?.value.bytes ?? 0, 1))
        for (place, group) in drawn.prefix(TimelinePicture.arrowLimit).reversed() {
            let isDown = place.target > place.source
            func y(_ lane: Int, _ isBelow: Bool) -> Double { top + Double(lane) * TimelinePicture.laneHeight + (isBelow ? 25 : 3) }
            let title = (group.count == 1 ? group.edge : "\(group.count) tensors") + ", " + DurationText.text(byteCount: group.bytes)
            svg.add(
                arrow(
                    x1: Double(place.start) * 2 + 1, y1: y(place.source, isDown), x2: Double(place.end) * 2 + 1, y2: y(place.target, !isDown),
                    width: 0.5 + 1.3 * (Double(group.bytes) / largest).squareRoot(), title: title))
        }
        return drawn.dropFirst(TimelinePicture.arrowLimit).reduce(0) { $0 + $1.value.count }
    }
}
