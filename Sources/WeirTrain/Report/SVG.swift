/// What all pictures have in common: elements of SVG as text, escaped, with short numbers.
struct SVG {
    private var lines: [String]
    /// The colour of text beside axes, and of lines that guide the eye.
    static let textColor = "#444"
    static let gridColor = "#e4e4e4"
    /// Colours of series that are told apart by most people with colour blindness (Okabe and Ito).
    static let palette = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#6b4c9a", "#5f6368"]

    /// Where a text stands relative to its position.
    enum Anchor: String { case start, middle, end }

    /// Begins a picture with a white background.
    init(width: Double, height: Double, fontSize: Int = 12) {
        let size = "width=\"\(SVG.number(width))\" height=\"\(SVG.number(height))\" viewBox=\"0 0 \(SVG.number(width)) \(SVG.number(height))\""
        lines = [
            "<svg xmlns=\"http://www.w3.org/2000/svg\" \(size) font-family=\"Helvetica, Arial, sans-serif\" font-size=\"\(fontSize)\">",
            "<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>",
        ]
    }

    /// The whole document.
    var text: String { lines.joined(separator: "\n") + "\n</svg>\n" }

    /// Adds an element that is written elsewhere.
    mutating func add(_ element: String) { lines.append(element) }

    /// Adds a text. It is escaped.
    mutating func text(
        _ text: String, x: Double, y: Double, anchor: Anchor = .start, color: String = SVG.textColor, size: Int? = nil, isBold: Bool = false,
        rotation: Double? = nil
    ) {
        var attributes = "x=\"\(SVG.number(x))\" y=\"\(SVG.number(y))\" fill=\"\(color)\""
        if anchor != .start { attributes += " text-anchor=\"\(anchor.rawValue)\"" }
        if let size { attributes += " font-size=\"\(size)\"" }
        if isBold { attributes += " font-weight=\"bold\"" }
        if let rotation { attributes += " transform=\"rotate(\(SVG.number(rotation)) \(SVG.number(x)) \(SVG.number(y)))\"" }
        lines.append("<text \(attributes)>\(SVG.escaped(text))</text>")
    }

    /// Adds a straight line.
    mutating func line(x1: Double, y1: Double, x2: Double, y2: Double, color: String = SVG.gridColor, width: Double = 1) {
        lines.append(
            "<line x1=\"\(SVG.number(x1))\" y1=\"\(SVG.number(y1))\" x2=\"\(SVG.number(x2))\" y2=\"\(SVG.number(y2))\" stroke=\"\(color)\" "
                + "stroke-width=\"\(SVG.number(width))\"/>")
    }

    /// Adds a filled rectangle.
    /// - Parameter title: what a viewer shows when the pointer is over it.
    mutating func rectangle(
        x: Double, y: Double, width: Double, height: Double, color: String, radius: Double = 0, opacity: Double = 1, title: String? = nil
    ) {
        let corner = (radius > 0 ? " rx=\"\(SVG.number(radius))\"" : "") + (opacity < 1 ? " opacity=\"\(SVG.number(opacity))\"" : "")
        let shape =
            "<rect x=\"\(SVG.number(x))\" y=\"\(SVG.number(y))\" width=\"\(SVG.number(width))\" height=\"\(SVG.number(height))\" fill=\"\(color)\"\(corner)"
        lines.append(title.map { "\(shape)><title>\(SVG.escaped($0))</title></rect>" } ?? shape + "/>")
    }

    /// Adds lines that connect points. A single point becomes a dot.
    mutating func polyline(_ points: [(x: Double, y: Double)], color: String, width: Double, opacity: Double = 1, dash: String? = nil, title: String? = nil) {
        guard let first = points.first else { return }
        let clear = (opacity < 1 ? " opacity=\"\(SVG.number(opacity))\"" : "") + (dash.map { " stroke-dasharray=\"\($0)\"" } ?? "")
        let inside = title.map { "<title>\(SVG.escaped($0))</title>" } ?? ""
        guard points.count > 1 else {
            lines.append(
                "<circle cx=\"\(SVG.number(first.x))\" cy=\"\(SVG.number(first.y))\" r=\"\(SVG.number(width))\" fill=\"\(color)\"\(clear)>\(inside)</circle>")
            return
        }
        let path = points.map { "\(SVG.number($0.x)),\(SVG.number($0.y))" }.joined(separator: " ")
        lines.append(
            "<polyline fill=\"none\" stroke=\"\(color)\" stroke-width=\"\(SVG.number(width))\" stroke-linejoin=\"round\"\(clear) points=\"\(path)\">"
                + "\(inside)</polyline>")
    }

    /// Text as the content of an element or of an attribute. XML cannot contain control characters: each becomes U+FFFD.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\t", "\n", "\r": result += " "
            case _ where scalar.value < 0x20 || scalar.value == 0xfffe || scalar.value == 0xffff: result += "\u{fffd}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// A coordinate with at most two decimals; 0 if it is not finite.
    static func number(_ value: Double) -> String {
        guard value.isFinite, value.magnitude < 1e9 else { return "0" }
        let hundredths = Int((value * 100).rounded())
        let (whole, rest) = (hundredths.magnitude / 100, hundredths.magnitude % 100)
        let sign = hundredths < 0 ? "-" : ""
        if rest == 0 { return "\(sign)\(whole)" }
        return rest % 10 == 0 ? "\(sign)\(whole).\(rest / 10)" : "\(sign)\(whole).\(rest < 10 ? "0" : "")\(rest)"
    }

    /// The colour between two colours `#rrggbb`: `from` at 0, `to` at 1.
    static func blend(_ from: String, _ to: String, _ share: Double) -> String {
        func parts(_ color: String) -> [Double] {
            let value = Int(color.dropFirst(), radix: 16) ?? 0
            return [16, 8, 0].map { Double(value >> $0 & 0xff) }
        }
        let mixed = zip(parts(from), parts(to)).map { Int(($0 + ($1 - $0) * min(max(share, 0), 1)).rounded()) }
        let value = String(mixed.reduce(0) { $0 << 8 | $1 }, radix: 16)
        return "#" + String(repeating: "0", count: 6 - value.count) + value
    }

    /// How wide a text is, roughly: the fonts are not known.
    static func width(of text: String, size: Int = 12) -> Double { Double(text.count) * Double(size) * 0.56 }

    /// A text shortened in its middle to about this width.
    static func fitted(_ text: String, to width: Double, size: Int = 12) -> String {
        let limit = max(Int(width / (Double(size) * 0.56)), 4)
        guard text.count > limit else { return text }
        return text.prefix((limit - 1) / 2) + "…" + text.suffix(limit / 2)
    }
}
