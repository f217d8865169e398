import CPNG
import CTurboJPEG
public import WeirTensor
import WeirWire

/// Decodes and encodes pictures: tensors of `uint8` of shape `[height, width, channels]`.
public enum ImageFile {
    /// Decodes a PNG or JPEG file, which its first bytes tell. Transparency is left out.
    /// - Parameter channels: 1 for grey, 3 for colours; nil for what the file has. Colours become grey by their brightness,
    ///   `0.299 R + 0.587 G + 0.114 B`.
    /// - Throws: `notFound` when the file does not exist; `dataLoss` when it is damaged or no picture. The message names it.
    public static func read(_ path: String, channels: Int? = nil) throws(Status) -> Tensor {
        try decode(InputFile.contents(of: path), channels: channels, path)
    }

    /// Decodes the bytes of a PNG or JPEG file.
    /// - Parameters:
    ///   - channels: as for a file.
    ///   - source: names the bytes in errors.
    /// - Throws: as for a file.
    public static func decode(_ bytes: [UInt8], channels: Int? = nil, _ source: String = "picture") throws(Status) -> Tensor {
        if let channels, channels != 1, channels != 3 {
            throw .invalidArgument("\(source): a picture has 1 or 3 channels, expected one of these, found \(channels)")
        }
        if bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]) { return try png(bytes, source).channels(channels) }
        if bytes.starts(with: [0xff, 0xd8, 0xff]) { return try jpeg(bytes, channels, source).channels(channels) }
        throw .dataLoss("\(source): expected a PNG or JPEG picture, found the bytes \(bytes.prefix(4).map { "\($0)" }.joined(separator: ", "))")
    }

    /// Encodes a picture as PNG, which keeps every value.
    /// - Throws: `invalidArgument` unless it is of `uint8` with 1 to 4 channels.
    public static func png(of image: Tensor) throws(Status) -> [UInt8] {
        guard image.dtype == .uint8, image.rank == 3, (1...4).contains(image.dimension(2)), let height = UInt32(exactly: image.dimension(0)),
            let width = UInt32(exactly: image.dimension(1)), (1...1_000_000).contains(width), (1...1_000_000).contains(height)
        else { throw .invalidArgument("Expected a picture of uint8 of shape [height,width,1 to 4], found \(image.dtype) of shape \(image.shape)") }
        var facts = png_image()
        var count = 0
        let channels = Int32(image.dimension(2))
        defer { withExtendedLifetime(image) {} }
        guard weir_png_encode(&facts, nil, &count, image.address, width, height, channels) != 0 else { throw .internalError("PNG: \(message(&facts))") }
        var bytes = [UInt8](repeating: 0, count: count)
        guard weir_png_encode(&facts, &bytes, &count, image.address, width, height, channels) != 0 else { throw .internalError("PNG: \(message(&facts))") }
        return Array(bytes.prefix(count))
    }

    // MARK: Formats

    private static func message(_ facts: UnsafePointer<png_image>) -> String { String(cString: weir_png_message(facts)) }

    private static func png(_ bytes: [UInt8], _ source: String) throws(Status) -> Tensor {
        // The library keeps the address.
        let facts = UnsafeMutablePointer<png_image>.allocate(capacity: 1)
        facts.initialize(to: png_image())
        defer {
            png_image_free(facts)
            facts.deallocate()
        }
        // The library reads from these bytes until it has finished.
        return try bytes.withUnsafeBufferPointer { (memory) throws(Status) -> Tensor in
            guard weir_png_begin(facts, memory.baseAddress, memory.count) != 0 else { throw .dataLoss("\(source): not a whole PNG picture: \(message(facts))") }
            let (width, height) = (Int(facts.pointee.width), Int(facts.pointee.height))
            let pixels = width.multipliedReportingOverflow(by: height)
            // A byte of the file has at most eight pixels of one bit, and is compressed at most so much.
            let limit = Inflater.maximumByteCount(of: memory.count).multipliedReportingOverflow(by: 8)
            guard !pixels.overflow, limit.overflow || pixels.partialValue <= limit.partialValue else {
                throw .dataLoss("\(source): \(memory.count) bytes of PNG cannot have \(width) × \(height) pixels")
            }
            let image = try Tensor(.uint8, Shape(validating: [height, width, Int(weir_png_channels(facts))]))
            guard image.elementCount > 0, weir_png_finish(facts, image.address) != 0 else {
                throw .dataLoss("\(source): a damaged PNG picture of \(width) × \(height) pixels: \(message(facts))")
            }
            return image
        }
    }

    private static func jpeg(_ bytes: [UInt8], _ channels: Int?, _ source: String) throws(Status) -> Tensor {
        guard let handle = tjInitDecompress() else { throw .resourceExhausted("\(source): no memory is left to decode a JPEG picture") }
        defer { tjDestroy(handle) }
        func failure(_ what: String) -> Status {
            let reason: UnsafeMutablePointer<CChar>? = tjGetErrorStr2(handle)
            return .dataLoss("\(source): \(what): \(reason.map { String(cString: $0) } ?? "no reason is known")")
        }
        return try bytes.withUnsafeBufferPointer { (memory) throws(Status) -> Tensor in
            var (width, height, isGrey) = (Int32(0), Int32(0), Int32(0))
            guard weir_jpeg_header(handle, memory.baseAddress, UInt(memory.count), &width, &height, &isGrey) == 0, width > 0, height > 0 else {
                throw failure("not a whole JPEG picture")
            }
            // A block, of at most 32 × 32 pixels when it is drawn larger, takes a bit at least.
            let pixels = Int(width) * Int(height)
            guard pixels / 8192 <= memory.count else { throw .dataLoss("\(source): \(memory.count) bytes of JPEG cannot have \(width) × \(height) pixels") }
            let found = channels ?? (isGrey != 0 ? 1 : 3)
            let image = try Tensor(.uint8, Shape(validating: [Int(height), Int(width), found]))
            guard weir_jpeg_decode(handle, memory.baseAddress, UInt(memory.count), image.address, width, height, Int32(found)) == 0 else {
                throw failure("a damaged JPEG picture of \(width) × \(height) pixels")
            }
            return image
        }
    }
}

extension Tensor {
    /// A picture with so many channels, 1 or 3; without transparency in any case.
    fileprivate func channels(_ wanted: Int?) throws(Status) -> Tensor {
        let found = dimension(2)
        let colours = found <= 2 ? 1 : 3
        let wanted = wanted ?? colours
        if found == wanted { return self }
        let result = try Tensor(.uint8, shape.replacing(2, with: wanted).validated())
        let (from, to) = (elements(UInt8.self), result.mutableElements(UInt8.self))
        for pixel in 0..<dimension(0) * dimension(1) {
            let (source, target) = (pixel * found, pixel * wanted)
            switch (colours, wanted) {
            case (3, 1):
                let sum = 19_595 * Int(from[source]) + 38_470 * Int(from[source + 1]) + 7_471 * Int(from[source + 2])
                to[target] = UInt8(clamping: (sum + 32_768) >> 16)
            case (1, 3): for channel in 0..<3 { to[target + channel] = from[source] }
            default: for channel in 0..<wanted { to[target + channel] = from[source + channel] }
            }
        }
        withExtendedLifetime(self) {}
        return result
    }

    /// A picture of another size, by bilinear interpolation between the centres of pixels: TensorFlow's `tf.image.resize`, rounded.
    /// - Parameters: sizes of at least 1.
    /// - Throws: `resourceExhausted` when the memory is not available.
    func resized(height: Int, width: Int) throws(Status) -> Tensor {
        let (oldHeight, oldWidth, channels) = (dimension(0), dimension(1), dimension(2))
        if (oldHeight, oldWidth) == (height, width) || elementCount == 0 { return self }
        let result = try Tensor(.uint8, Shape(validating: [height, width, channels]))
        let (from, to) = (elements(UInt8.self), result.mutableElements(UInt8.self))
        let (rows, columns) = (Tensor.samples(height, of: oldHeight), Tensor.samples(width, of: oldWidth))
        var target = 0
        for row in rows {
            let (top, bottom) = (row.low * oldWidth * channels, row.high * oldWidth * channels)
            for column in columns {
                let (left, right) = (column.low * channels, column.high * channels)
                for channel in 0..<channels {
                    let above = Float(from[top + left + channel]) * (1 - column.part) + Float(from[top + right + channel]) * column.part
                    let below = Float(from[bottom + left + channel]) * (1 - column.part) + Float(from[bottom + right + channel]) * column.part
                    to[target] = UInt8(clamping: Int((above * (1 - row.part) + below * row.part).rounded(.toNearestOrEven)))
                    target += 1
                }
            }
        }
        withExtendedLifetime(self) {}
        return result
    }

    /// For each new position along a side: the two old positions that it lies between, and how much of the second it has.
    private static func samples(_ count: Int, of old: Int) -> [(low: Int, high: Int, part: Float)] {
        (0..<count).map { position in
            let place = (Float(position) + 0.5) * Float(old) / Float(count) - 0.5
            let low = Int(place.rounded(.down))
            return (max(0, low), min(old - 1, max(0, low + 1)), place - Float(low))
        }
    }
}
