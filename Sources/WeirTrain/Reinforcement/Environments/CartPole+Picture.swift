import Glibc

extension CartPole {
    /// A few moments of an episode as SVG, from the first to the last.
    /// - Parameter observations: what each step showed, as `ReinforcementReport.observations`.
    public static func picture(_ observations: [[Float]], frameCount: Int = 6) -> String {
        let shown = observations.filter { $0.count == 4 && $0.allSatisfy(\.isFinite) }
        let columns = 3, width = 240.0, height = 150.0
        let count = min(max(1, frameCount), max(1, shown.count)), rows = (count + columns - 1) / columns
        var svg = SVG(width: Double(columns) * width + 24, height: Double(rows) * height + 56)
        svg.text(
            "an episode of \(shown.count) steps", x: 12 + Double(columns) * width / 2, y: 28, anchor: .middle, color: "#222", size: 15, isBold: true)
        guard !shown.isEmpty else { return svg.text }
        for frame in 0..<count {
            let step = count == 1 ? 0 : frame * (shown.count - 1) / (count - 1)
            let left = 12 + Double(frame % columns) * width, top = 40 + Double(frame / columns) * height
            draw(shown[step], label: "step \(step + 1)", left: left + 12, top: top, width: width - 24, height: height - 16, in: &svg)
        }
        return svg.text
    }

    private static func draw(_ observation: [Float], label: String, left: Double, top: Double, width: Double, height: Double, in svg: inout SVG) {
        // The track is as wide as the frame; the pole has its length in the same scale, made longer so that its angle is seen.
        let scale = width / (2 * positionLimit), ground = top + height - 18, poleLength = height * 0.5
        let place = left + width / 2 + min(max(Double(observation[0]), -positionLimit), positionLimit) * scale
        let angle = Double(observation[2])
        svg.rectangle(x: left, y: top, width: width, height: height, color: "#f6f7f9", radius: 6)
        svg.line(x1: left, y1: ground, x2: left + width, y2: ground, color: "#888")
        svg.line(x1: left + width / 2, y1: ground, x2: left + width / 2, y2: ground + 5, color: "#888")
        svg.text(label, x: left + 8, y: top + 16)
        svg.rectangle(x: place - 17, y: ground - 18, width: 34, height: 14, color: SVG.palette[0], radius: 3)
        for wheel in [-9.0, 9] { svg.polyline([(place + wheel, ground - 3)], color: "#444", width: 3.5) }
        svg.polyline([(place, ground - 16), (place + poleLength * sin(angle), ground - 16 - poleLength * cos(angle))], color: SVG.palette[1], width: 6)
    }
}
