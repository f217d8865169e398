/// Timelines as one picture: a panel for each, one above the other on one axis of time, so that strategies can be compared.
///
/// A lane is a device, and is as long as its step. A box is a run of a node in the colour of its kind, a thin bar below the boxes
/// a wait, an arrow a tensor that moved, and the red line the critical path. At the right is the share of the step in which the
/// device was not busy, its bubble.
public struct TimelinePicture: Sendable {
    /// One timeline with its heading.
    public struct Panel: Sendable {
        /// The heading, such as the name of a strategy.
        public var title: String
        /// The step.
        public var timeline: StepTimeline
        /// Makes a panel.
        public init(_ title: String, _ timeline: StepTimeline) {
            self.title = title
            self.timeline = timeline
        }
    }
    /// The panels from top to bottom.
    public var panels: [Panel]
    /// Makes a picture of timelines.
    public init(_ panels: [Panel]) { self.panels = panels }

    static let width = 1240.0
    static let left = 136.0
    static let plotWidth = 1000.0
    static let laneHeight = 34.0
    /// The height of the boxes of a lane; below them are its waits.
    static let bodyHeight = 20.0
    /// Rows of boxes that a lane has room for. Runs of further rows are drawn in the last one.
    static let rowLimit = 4
    static let headerHeight = 64.0
    static let panelGap = 44.0
    /// How many arrows of a panel are drawn: the largest tensors.
    static let arrowLimit = 300
    static let waitColor = "#c3c8ce"
    static let arrowColor = "#30343a"
    static let pathColor = "#c1121f"

    static func color(_ kind: StepTimeline.Kind) -> String {
        switch kind {
        case .forward: SVG.palette[0]
        case .backward: SVG.palette[4]
        case .update: SVG.palette[2]
        case .transfer: SVG.palette[3]
        case .wait: waitColor
        }
    }

    /// What a picture leaves out, for the note below it.
    struct Omissions {
        var merged = 0
        var arrows = 0
    }

    /// The picture as SVG.
    public var svg: String {
        let longest = panels.lazy.map(\.timeline.duration).max() ?? 0
        let axis = AxisScale([0, max(Double(longest) / 1e6, 1e-6)], tickCount: 10, extends: false)
        let heights = panels.map { Double(max($0.timeline.lanes.count, 1)) * TimelinePicture.laneHeight }
        let bottom = heights.reduce(TimelinePicture.headerHeight) { $0 + $1 + TimelinePicture.panelGap }
        var svg = SVG(width: TimelinePicture.width, height: bottom + 20, fontSize: 11)
        // The tip of an arrow, in the size of its line.
        svg.add(
            "<defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"5\" markerHeight=\"5\" orient=\"auto\" markerUnits=\"userSpaceOnUse\">"
                + "<path d=\"M0 0.8L8 4L0 7.2z\" fill=\"\(TimelinePicture.arrowColor)\"/></marker></defs>")
        drawLegend(in: &svg)
        var (top, omissions) = (TimelinePicture.headerHeight, Omissions())
        for (panel, height) in zip(panels, heights) {
            draw(panel, top: top, height: height, axis, &omissions, in: &svg)
            top += height + TimelinePicture.panelGap
        }
        drawTimes(axis, y: bottom - TimelinePicture.panelGap + 22, in: &svg)
        svg.text(note(omissions, axis), x: TimelinePicture.left, y: bottom + 4, color: "#777")
        return svg.text
    }

    private func drawLegend(in svg: inout SVG) {
        var x = TimelinePicture.left
        for kind in StepTimeline.Kind.allCases where kind != .wait {
            svg.rectangle(x: x, y: 16, width: 12, height: 12, color: TimelinePicture.color(kind), radius: 2)
            svg.text(kind.rawValue, x: x + 17, y: 26)
            x += 34 + SVG.width(of: kind.rawValue, size: 11)
        }
        svg.rectangle(x: x, y: 20, width: 22, height: 4, color: TimelinePicture.waitColor)
        svg.text("waits", x: x + 28, y: 26)
        svg.add(arrow(x1: x + 74, y1: 22, x2: x + 98, y2: 22, width: 1.2, title: nil))
        svg.text("tensor", x: x + 104, y: 26)
        svg.line(x1: x + 158, y1: 22, x2: x + 180, y2: 22, color: TimelinePicture.pathColor, width: 2)
        svg.text("critical path", x: x + 186, y: 26)
        svg.text("bubble", x: TimelinePicture.width - 16, y: 26, anchor: .end)
    }

    private func drawTimes(_ axis: AxisScale, y: Double, in svg: inout SVG) {
        for tick in axis.ticks {
            svg.text(axis.label(tick), x: TimelinePicture.left + axis.position(tick) * TimelinePicture.plotWidth, y: y, anchor: .middle)
        }
        svg.text("ms", x: TimelinePicture.left - 16, y: y, anchor: .end)
    }

    private func note(_ omissions: Omissions, _ axis: AxisScale) -> String {
        var parts: [String] = []
        if omissions.merged > 0 {
            let shortest = (axis.range.upperBound - axis.range.lowerBound) * 1e6 / TimelinePicture.plotWidth * TimelineBoxes.shortWidth
            parts.append("\(omissions.merged) node runs shorter than \(DurationText.text(nanoseconds: Int(shortest))) are drawn together with their neighbours")
        }
        if omissions.arrows > 0 { parts.append("the arrows of \(omissions.arrows) smaller tensors are left out") }
        parts += Set(panels.flatMap(\.timeline.notes)).sorted()
        return parts.joined(separator: "; ")
    }

    func arrow(x1: Double, y1: Double, x2: Double, y2: Double, width: Double, title: String?) -> String {
        "<line x1=\"\(SVG.number(x1))\" y1=\"\(SVG.number(y1))\" x2=\"\(SVG.number(x2))\" y2=\"\(SVG.number(y2))\" stroke=\"\(TimelinePicture.arrowColor)\" "
            + "stroke-opacity=\"0.55\" stroke-width=\"\(SVG.number(width))\" marker-end=\"url(#tip)\">"
            + (title.map { "<title>\(SVG.escaped($0))</title>" } ?? "") + "</line>"
    }
}

extension StepTimeline {
    /// This timeline as a picture; see `TimelinePicture`.
    public func svg(title: String = "step") -> String { TimelinePicture([TimelinePicture.Panel(title, self)]).svg }
}
