import CZlib
package import WeirTensor

/// Encodes images as PNG files (ISO 15948), with 8 bits for each channel.
package enum PNG {
    /// Encodes an image.
    /// - Parameters:
    ///   - pixels: rows from top to bottom, pixels from left to right, their channels together.
    ///   - channelCount: 1 grey, 2 grey with alpha, 3 RGB, 4 RGBA.
    /// - Throws: `invalidArgument` when the image is empty, or has another number of bytes or channels.
    package static func encoded(_ pixels: [UInt8], width: Int, height: Int, channelCount: Int) throws(Status) -> [UInt8] {
        guard let colorType = [1: UInt8(0), 2: 4, 3: 2, 4: 6][channelCount] else {
            throw .invalidArgument("An image has 1, 2, 3 or 4 channels, found \(channelCount)")
        }
        guard let columns = UInt32(exactly: width), let rows = UInt32(exactly: height), columns > 0, rows > 0, columns < 1 << 31, rows < 1 << 31 else {
            throw .invalidArgument("An image has at least one row and one column, found \(height) rows of \(width)")
        }
        let (rowSize, overflowsInRow) = width.multipliedReportingOverflow(by: channelCount)
        let (byteCount, overflows) = rowSize.multipliedReportingOverflow(by: height)
        guard !overflowsInRow, !overflows, byteCount == pixels.count else {
            throw .invalidArgument("An image of \(height) rows of \(width) pixels of \(channelCount) bytes, found \(pixels.count) bytes")
        }
        var lines: [UInt8] = []
        lines.reserveCapacity(byteCount + height)
        for row in 0..<height {
            // Each row begins with its filter: none.
            lines.append(0)
            lines.append(contentsOf: pixels[row * rowSize..<(row + 1) * rowSize])
        }
        var header: [UInt8] = []
        header.appendBigEndian(columns)
        header.appendBigEndian(rows)
        header += [8, colorType, 0, 0, 0]
        var file: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
        file.appendChunk("IHDR", header)
        file.appendChunk("IDAT", try compressed(lines))
        file.appendChunk("IEND", [])
        return file
    }

    private static func compressed(_ bytes: [UInt8]) throws(Status) -> [UInt8] {
        var count = compressBound(UInt(bytes.count))
        var result = [UInt8](repeating: 0, count: Int(count))
        let code = result.withUnsafeMutableBufferPointer { output in
            bytes.withUnsafeBufferPointer { input in
                compress2(output.baseAddress, &count, input.baseAddress, UInt(input.count), Z_DEFAULT_COMPRESSION)
            }
        }
        guard code == Z_OK else { throw .resourceExhausted("An image of \(bytes.count) bytes cannot be compressed: zlib's code \(code)") }
        result.removeLast(result.count - Int(count))
        return result
    }
}

extension [UInt8] {
    fileprivate mutating func appendBigEndian(_ value: UInt32) {
        Swift.withUnsafeBytes(of: value.bigEndian) { append(contentsOf: $0) }
    }

    /// Appends the length, the type, the data, and the checksum of type and data.
    fileprivate mutating func appendChunk(_ type: String, _ data: [UInt8]) {
        appendBigEndian(UInt32(clamping: data.count))
        let body = Array(type.utf8) + data
        append(contentsOf: body)
        let sum = body.withUnsafeBufferPointer { bytes in crc32_z(0, bytes.baseAddress, bytes.count) }
        appendBigEndian(UInt32(truncatingIfNeeded: sum))
    }
}
