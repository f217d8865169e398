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
    /// Whether there is space between pictures.
    public var isSpaced: Bool

    /// Makes a grid. Pixels that a picture lacks are black.
    public init(title: String, height: Int, width: Int, channels: Int = 1, lines: [Line], isSpaced: Bool = true) {
        self.title = title
        self.height = height
        self.width = width
        self.channels = channels
        self.lines = lines
        self.isSpaced = isSpaced
    }

    /// The picture as SVG.
    public var svg: String {
        let side = 48.0, scale = side / Double(max(1, height, width)), gap = isSpaced ? 8.0 : 0
        let captions = lines.map { SVG.width(of: $0.caption) }.max() ?? 0
        let left = captions > 0 ? captions + 28 : 16, top = 44.0
        let columns = Double(lines.map(\.pictures.count).max() ?? 0)
        let (step, drop) = (Double(width) * scale + gap, Double(height) * scale + gap)
        var svg = SVG(width: max(left + columns * step - gap + 16, SVG.width(of: title, size: 14) + 32), height: top + Double(lines.count) * drop - gap + 16)
        svg.text(title, x: 16, y: 26, size: 14, isBold: true)
        for (row, line) in lines.enumerated() {
            let y = top + Double(row) * drop
            if !line.caption.isEmpty { svg.text(line.caption, x: 16, y: y + Double(height) * scale / 2 + 4) }
            for (column, picture) in line.pictures.enumerated() {
                // A run of pixels is a stroke as high as a pixel, whose middle is half a pixel below its upper edge.
                svg.add(
                    "<g transform=\"translate(\(SVG.number(left + Double(column) * step)) \(SVG.number(y + scale / 2))) scale(\(SVG.number(scale)))\" "
                        + "shape-rendering=\"crispEdges\">\(strokes(picture))</g>")
            }
        }
        return svg.text
    }

    /// The strokes of each colour of a picture.
    private func strokes(_ picture: [Float]) -> String {
        var paths: [String: String] = [:]
        for y in 0..<height {
            var x = 0
            while x < width {
                let color = color(picture, y * width + x), start = x
                while x < width, self.color(picture, y * width + x) == color { x += 1 }
                paths[color, default: ""] += "M\(start) \(y)h\(x - start)"
            }
        }
        return paths.sorted { $0.key < $1.key }.map { "<path stroke=\"\($0.key)\" d=\"\($0.value)\"/>" }.joined()
    }

    /// The colour of a pixel, of 18 levels of each channel.
    private func color(_ picture: [Float], _ pixel: Int) -> String {
        let levels = (0..<3).map { channel in
            let index = pixel * channels + min(channel, channels - 1)
            let value = picture.indices.contains(index) && picture[index].isFinite ? min(max(picture[index], 0), 1) : 0
            return Int((value * 17).rounded()) * 15
        }
        return "#" + levels.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
