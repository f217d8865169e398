/// The losses of training steps as a picture: each loss, and their trend.
public struct LossCurve: Sendable {
    /// The loss of each step, in order. Losses that are not finite leave a gap.
    public var points: [(step: Int, loss: Float)]
    /// Makes a curve.
    public init(points: [(step: Int, loss: Float)]) { self.points = points }

    /// The picture as SVG.
    public var svg: String {
        let raw = points.map { (x: Double($0.step), y: Double($0.loss)) }
        var svg = SVG(width: 720, height: 380)
        let finite = raw.lazy.filter(\.y.isFinite)
        let frame = ChartFrame(
            left: 76, top: 48, width: 612, height: 270, x: AxisScale([0] + finite.map(\.x), extends: false),
            y: AxisScale(finite.map(\.y), includesZero: true))
        frame.draw(title: "training loss", xLabel: "step", yLabel: "loss", in: &svg)
        for path in frame.paths(raw) { svg.polyline(path, color: SVG.palette[0], width: 1.5, opacity: 0.35) }
        for path in frame.paths(trend(raw)) { svg.polyline(path, color: SVG.palette[0], width: 2) }
        return svg.text
    }

    /// An exponential moving average of the finite losses, which shows the trend despite the noise of batches.
    private func trend(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        let finite = points.filter(\.y.isFinite)
        guard var mean = finite.first?.y else { return [] }
        return finite.map { point in
            mean += (point.y - mean) * 0.1
            return (point.x, mean)
        }
    }
}
