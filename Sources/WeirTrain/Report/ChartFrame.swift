/// The area of a chart with its two axes.
struct ChartFrame {
    /// The position and size of the area in the picture.
    let left, top, width, height: Double
    let x: AxisScale
    let y: AxisScale

    /// Where a point is in the picture. It is never outside the area.
    func position(_ point: (x: Double, y: Double)) -> (x: Double, y: Double) {
        (left + x.position(point.x) * width, top + (1 - y.position(point.y)) * height)
    }

    /// Draws the grid, the labels of the ticks and the names of the axes.
    func draw(title: String, xLabel: String, yLabel: String, in svg: inout SVG) {
        for tick in y.ticks {
            let place = position((x.range.lowerBound, tick))
            svg.line(x1: left, y1: place.y, x2: left + width, y2: place.y)
            svg.text(y.label(tick), x: left - 8, y: place.y + 4, anchor: .end)
        }
        for tick in x.ticks {
            let place = position((tick, y.range.lowerBound))
            svg.line(x1: place.x, y1: top + height, x2: place.x, y2: top + height + 4, color: "#888")
            svg.text(x.label(tick), x: place.x, y: top + height + 18, anchor: .middle)
        }
        svg.line(x1: left, y1: top + height, x2: left + width, y2: top + height, color: "#888")
        svg.text(title, x: left + width / 2, y: top - 16, anchor: .middle, color: "#222", size: 15, isBold: true)
        svg.text(xLabel, x: left + width / 2, y: top + height + 38, anchor: .middle)
        svg.text(yLabel, x: left - 56, y: top + height / 2, anchor: .middle, rotation: -90)
    }

    /// Splits a series where a point cannot be shown, and leaves out points that would be drawn on their predecessors.
    func paths(_ points: [(x: Double, y: Double)]) -> [[(x: Double, y: Double)]] {
        var paths: [[(x: Double, y: Double)]] = []
        var path: [(x: Double, y: Double)] = []
        for (index, point) in points.enumerated() {
            guard x.contains(point.x), y.contains(point.y) else {
                if !path.isEmpty { paths.append(path) }
                path = []
                continue
            }
            let place = position(point)
            // The last point is always drawn: it is the result.
            if let last = path.last, index < points.count - 1, abs(last.x - place.x) < 0.3, abs(last.y - place.y) < 0.3 { continue }
            path.append(place)
        }
        return path.isEmpty ? paths : paths + [path]
    }
}
