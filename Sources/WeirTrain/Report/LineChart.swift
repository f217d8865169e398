/// Several series of numbers as lines in one picture, such as the learning curves of the trials of a sweep.
public struct LineChart: Sendable {
    /// How values are spread over an axis.
    public enum Scale: Sendable {
        /// Equal differences have equal lengths.
        case linear
        /// Equal ratios have equal lengths. Only positive values are shown.
        case logarithmic

        var kind: AxisScale.Kind { self == .linear ? .linear : .logarithmic }
    }
    /// One line.
    public struct Series: Sendable {
        /// The name in the legend.
        public var name: String
        /// The points in the order of the line. A point that is not finite, or not positive on a logarithmic axis, is a gap.
        public var points: [(x: Double, y: Double)]
        /// Makes a series.
        public init(_ name: String, _ points: [(x: Double, y: Double)]) {
            self.name = name
            self.points = points
        }
    }

    /// The heading.
    public var title: String
    /// What the horizontal axis shows, with its unit.
    public var xLabel: String
    /// What the vertical axis shows, with its unit.
    public var yLabel: String
    /// The horizontal axis.
    public var xScale = Scale.linear
    /// The vertical axis.
    public var yScale = Scale.linear
    /// The lines. The first is drawn on top.
    public var series: [Series]

    /// How many series the legend names.
    private static let legendLimit = 20

    /// Makes a chart.
    public init(
        title: String, xLabel: String, yLabel: String, xScale: Scale = .linear, yScale: Scale = .linear, series: [Series]
    ) {
        self.title = title
        self.xLabel = xLabel
        self.yLabel = yLabel
        self.xScale = xScale
        self.yScale = yScale
        self.series = series
    }

    /// The picture as SVG. A chart without a point that can be shown says so.
    public var svg: String {
        let named = series.prefix(LineChart.legendLimit)
        let legendWidth = series.count < 2 ? 24 : min((named.map { SVG.width(of: $0.name) }.max() ?? 0) + 52, 260)
        let height = max(300, Double(min(series.count, LineChart.legendLimit + 1)) * 18)
        var svg = SVG(width: 76 + 620 + legendWidth, height: height + 110)
        // A point counts for an axis only if the other axis can show it.
        let shown = series.flatMap(\.points).filter { isShown($0.x, xScale) && isShown($0.y, yScale) }
        let frame = ChartFrame(
            left: 76, top: 48, width: 620, height: height, x: AxisScale(shown.map(\.x), kind: xScale.kind, tickCount: 8, extends: false),
            y: AxisScale(shown.map(\.y), kind: yScale.kind, tickCount: 6))
        frame.draw(title: title, xLabel: xLabel, yLabel: yLabel, in: &svg)
        if shown.isEmpty { svg.text("no values", x: frame.left + frame.width / 2, y: frame.top + height / 2, anchor: .middle, color: "#888") }
        for (index, series) in series.enumerated().reversed() {
            for path in frame.paths(series.points) {
                svg.polyline(path, color: color(index), width: 1.8, dash: dash(index), title: series.name)
            }
        }
        if series.count > 1 { drawLegend(named, x: frame.left + frame.width + 16, y: frame.top + 6, width: legendWidth - 52, in: &svg) }
        return svg.text
    }

    private func isShown(_ value: Double, _ scale: Scale) -> Bool { value.isFinite && (scale == .linear || value > 0) }
    private func color(_ index: Int) -> String { SVG.palette[index % SVG.palette.count] }
    /// Series that share a colour differ in their dashes.
    private func dash(_ index: Int) -> String? {
        let round = index / SVG.palette.count
        return round == 0 ? nil : "\(6 / min(round, 3)) \(2 + round % 3)"
    }

    private func drawLegend(_ named: ArraySlice<Series>, x: Double, y: Double, width: Double, in svg: inout SVG) {
        for (index, series) in named.enumerated() {
            let line = y + Double(index) * 18
            svg.polyline([(x, line), (x + 20, line)], color: color(index), width: 2.5, dash: dash(index))
            svg.text(SVG.fitted(series.name, to: width + 6), x: x + 26, y: line + 4)
        }
        let rest = series.count - named.count
        if rest > 0 { svg.text("and \(rest) more", x: x + 26, y: y + Double(named.count) * 18 + 4, color: "#888") }
    }
}
