/// Small pictures in lines, such as digits above their reconstructions, as one SVG with crisp pixels.
public struct PictureGrid: Sendable {
    /// Pictures side by side.
    public struct Line: Sendable {
        /// What stands before the pictures; empty for nothing.
        public var caption: String
        /// The pixels of each picture, from 0 (black) to 1 (white): line after line, and of a colour picture red, green and blue of each pixel.
        public var pictures: [[Float]]
        /// Makes a line.
        public init(_ caption: String = "", _ pictures: [[Float]]) {
            self.caption = caption
            self.pictures = pictures
        }
    }
    /// The heading.
    public var title: String
    /// The height of a picture in pixels.
    public var height: Int
    /// The width of a picture in pixels.
    public var width: Int
    /// 1 for grey pictures, 3 for colours.
    public var channels: Int
    /// The lines, from above.
    public var lines: [Line]

    /// Makes a grid. Pixels that a picture lacks are black.
    public init(title: String, height: Int, width: Int, channels: Int = 1, lines: [Line]) {
        self.title = title
        self.height = height
        self.width = width
        self.channels = channels
        self.lines = lines
    }

    /// The picture as SVG.
    public var svg: String {
        let side = max(1, height, width), scale = 48 / Double(side), gap = max(1, side / 6)
        let captions = lines.map { SVG.width(of: $0.caption) }.max() ?? 0
        let left = captions > 0 ? captions + 28 : 16, top = 44.0
        let columns = lines.map(\.pictures.count).max() ?? 0
        let size = (Double(columns * (width + gap) - gap) * scale, Double(lines.count * (height + gap) - gap) * scale)
        var svg = SVG(width: max(left + size.0 + 16, SVG.width(of: title, size: 14) + 32), height: top + size.1 + 16)
        svg.text(title, x: 16, y: 26, size: 14, isBold: true)
        var strokes: [String: String] = [:]
        for (row, line) in lines.enumerated() {
            let y = row * (height + gap)
            if !line.caption.isEmpty { svg.text(line.caption, x: 16, y: top + (Double(y) + Double(height) / 2) * scale + 4) }
            for (column, picture) in line.pictures.enumerated() { add(picture, x: column * (width + gap), y: y, to: &strokes) }
        }
        // Of a stroke that is as high as a pixel, the middle is half a pixel below the upper edge.
        let paths = strokes.sorted { $0.key < $1.key }.map { "<path stroke=\"\($0.key)\" d=\"\($0.value)\"/>" }
        svg.add(
            "<g transform=\"translate(\(SVG.number(left)) \(SVG.number(top + scale / 2))) scale(\(SVG.number(scale)))\" shape-rendering=\"crispEdges\">\n"
                + paths.joined(separator: "\n") + "\n</g>")
        return svg.text
    }

    /// Adds the runs of pixels of one colour to the strokes of that colour, which all pictures share: that keeps the file small.
    private func add(_ picture: [Float], x left: Int, y top: Int, to strokes: inout [String: String]) {
        for y in 0..<height {
            var x = 0
            while x < width {
                let color = color(picture, y * width + x), start = x
                while x < width, self.color(picture, y * width + x) == color { x += 1 }
                strokes[color, default: ""] += "M\(left + start) \(top + y)h\(x - start)"
            }
        }
    }

    /// The colour of a pixel, of 16 levels of each channel.
    private func color(_ picture: [Float], _ pixel: Int) -> String {
        let levels = (0..<3).map { channel in
            let index = pixel * channels + min(channel, channels - 1)
            let value = picture.indices.contains(index) && picture[index].isFinite ? min(max(picture[index], 0), 1) : 0
            return String(Int((value * 15).rounded()), radix: 16)
        }
        return "#" + levels.joined()
    }
}
