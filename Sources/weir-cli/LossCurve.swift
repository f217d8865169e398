/// Draws the losses of the steps as an SVG image.
struct LossCurve {
    let points: [(step: Int, loss: Float)]

    var svg: String {
        let (width, height, margin) = (720.0, 360.0, 48.0)
        let finite = points.filter(\.loss.isFinite)
        let lastStep = Double(max(finite.map(\.step).max() ?? 1, 1))
        let top = Double(max(finite.map(\.loss).max() ?? 1, 1e-6))
        func x(_ step: Double) -> Double { margin + step / lastStep * (width - 2 * margin) }
        func y(_ loss: Double) -> Double { height - margin - loss / top * (height - 2 * margin) }
        func number(_ value: Double) -> String { "\((value * 100).rounded() / 100)" }
        var parts = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 \(Int(width)) \(Int(height))\" font-family=\"sans-serif\" font-size=\"12\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        ]
        for tick in 0...4 {
            let loss = top * Double(tick) / 4, step = lastStep * Double(tick) / 4
            parts.append("<line x1=\"\(margin)\" x2=\"\(width - margin)\" y1=\"\(number(y(loss)))\" y2=\"\(number(y(loss)))\" stroke=\"#ddd\"/>")
            parts.append("<text x=\"\(margin - 6)\" y=\"\(number(y(loss) + 4))\" text-anchor=\"end\" fill=\"#555\">\(number(loss))</text>")
            parts.append("<text x=\"\(number(x(step)))\" y=\"\(height - margin + 18)\" text-anchor=\"middle\" fill=\"#555\">\(Int(step))</text>")
        }
        let path = finite.map { "\(number(x(Double($0.step)))),\(number(y(Double($0.loss))))" }.joined(separator: " ")
        parts.append("<polyline fill=\"none\" stroke=\"#1f6fb2\" stroke-width=\"1.5\" stroke-opacity=\"0.35\" points=\"\(path)\"/>")
        let smooth = smoothed(finite).map { "\(number(x(Double($0.step)))),\(number(y(Double($0.loss))))" }.joined(separator: " ")
        parts.append("<polyline fill=\"none\" stroke=\"#1f6fb2\" stroke-width=\"2\" points=\"\(smooth)\"/>")
        parts.append("<text x=\"\(width / 2)\" y=\"\(height - 8)\" text-anchor=\"middle\" fill=\"#333\">step</text>")
        parts.append("<text x=\"\(width / 2)\" y=\"24\" text-anchor=\"middle\" fill=\"#333\">training loss</text></svg>")
        return parts.joined(separator: "\n") + "\n"
    }

    /// An exponential moving average, which shows the trend despite the noise of batches.
    private func smoothed(_ points: [(step: Int, loss: Float)]) -> [(step: Int, loss: Float)] {
        guard var mean = points.first?.loss else { return [] }
        return points.map { point in
            mean += (point.loss - mean) * 0.1
            return (point.step, mean)
        }
    }
}
