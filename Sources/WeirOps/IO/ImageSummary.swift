import WeirGraph
import WeirKernels
import WeirTensor
import WeirWire

extension OpDefinition {
    /// Outputs a serialized `Summary` with the images of a batch, of shape `[images, height, width, channels]`, as PNG files.
    static let imageSummary = OpDefinition(
        "ImageSummary", "(tag: string, tensor: T) -> (summary: string)", "max_images: int >= 1 = 3", "T: {uint8, float, half, double} = float",
        "bad_color: tensor = uint8 [255, 0, 0, 255]"
    )
    .shape(ShapeFunctions.scalar)
    .noGradient()
    .kernel(["T": DTypeSet(.uint8, .float32, .float16, .float64)]) { request in
        let count = try request.int("max_images")
        guard let bad = request.attributes.tensor("bad_color"), bad.dtype == .uint8 else {
            throw Status.invalidArgument("bad_color must be a tensor of uint8")
        }
        let color = bad.elements(UInt8.self)
        return .sync { [color = Array(color)] context in
            let summary = try ImageSummaryValues(tag: context.input(0), images: context.input(1), limit: count, badColor: color).summary()
            context.setOutput(0, Tensor(ByteString(try summary.encoded())))
        }
    }
}

private struct ImageSummaryValues {
    private let tag: String
    private let images: Tensor
    private let limit: Int
    private let badColor: [UInt8]

    init(tag: Tensor, images: Tensor, limit: Int, badColor: [UInt8]) throws(Status) {
        guard tag.rank == 0 else { throw .invalidArgument("Tags must be a scalar") }
        guard images.rank == 4, [1, 3, 4].contains(images.dimension(3)) else {
            throw .invalidArgument("Tensor must be 4-D with last dim 1, 3, or 4, not \(images.shape)")
        }
        let (height, width) = (images.dimension(1), images.dimension(2))
        guard height > 0, width > 0, height < 1 << 31, width < 1 << 31 else {
            throw .invalidArgument("Tensor too large for summary or without pixels: \(images.shape)")
        }
        guard badColor.count >= images.dimension(3) else {
            throw .invalidArgument("expected depth <= bad_color.size, got depth = \(images.dimension(3)), bad_color.size = \(badColor.count)")
        }
        self.tag = tag.elements(ByteString.self)[0].description
        self.images = images
        self.limit = limit
        self.badColor = badColor
    }

    func summary() throws(Status) -> Summary {
        let (height, width, channels) = (images.dimension(1), images.dimension(2), images.dimension(3))
        var summary = Summary()
        for index in 0..<min(limit, images.dimension(0)) {
            let pixels = self.pixels(of: index, height * width * channels)
            let image = Summary.Image(
                height: height, width: width, channelCount: channels,
                encoded: try PNG.encoded(pixels, width: width, height: height, channelCount: channels))
            summary.values.append(.init(limit == 1 ? "\(tag)/image" : "\(tag)/image/\(index)", .image(image)))
        }
        return summary
    }

    /// The bytes of an image, from its elements.
    private func pixels(of index: Int, _ count: Int) -> [UInt8] {
        let range = index * count..<(index + 1) * count
        return switch images.dtype {
        case .uint8: Array(images.elements(UInt8.self)[range])
        case .float16: scaled(images.elements(Float16.self)[range], exactly: { Float16($0) })
        case .float64: scaled(images.elements(Double.self)[range], exactly: { Double($0) })
        default: scaled(images.elements(Float.self)[range], exactly: { $0 })
        }
    }

    /// Below this, all of an image is zero.
    private static let zeroThreshold: Float = 1e-6

    /// Scales numbers so that the greatest is 255. If there are negative ones, zero is 128 and the greatest magnitude 127 from it. A pixel
    /// that is not finite gets the bad color. As TensorFlow's kernel, in the arithmetic of the elements' type.
    private func scaled<E: BinaryFloatingPoint>(_ values: Slice<UnsafeBufferPointer<E>>, exactly make: (Float) -> E) -> [UInt8] {
        let channels = images.dimension(3)
        var (least, greatest) = (Float.infinity, -Float.infinity)
        var start = values.startIndex
        while start < values.endIndex {
            let pixel = values[start..<start + channels]
            if pixel.allSatisfy(\.isFinite) { for value in pixel { (least, greatest) = (min(least, Float(value)), max(greatest, Float(value))) } }
            start += channels
        }
        let span = least < 0 ? max(abs(least), abs(greatest)) : greatest
        let range: Float = least < 0 ? 127 : 255
        let (scale, offset) = (make(span < ImageSummaryValues.zeroThreshold ? 0 : range / span), make(least < 0 ? 128 : 0))
        var bytes: [UInt8] = []
        bytes.reserveCapacity(values.count)
        start = values.startIndex
        while start < values.endIndex {
            let pixel = values[start..<start + channels]
            if pixel.allSatisfy(\.isFinite) {
                for value in pixel { bytes.append(UInt8(max(0, min(255, value * scale + offset)))) }
            } else {
                bytes += badColor.prefix(channels)
            }
            start += channels
        }
        return bytes
    }
}
