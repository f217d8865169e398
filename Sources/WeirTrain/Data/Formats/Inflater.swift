import CZlib
import WeirTensor

/// Decompression of files with zlib.
package enum Inflater {
    enum Framing { case raw, gzip }

    /// The most bytes that deflate makes of one. It bounds what a file can say that it has.
    static let maximumRatio = 1032

    /// The most bytes that so many compressed bytes can become.
    static func maximumByteCount(of count: Int) -> Int {
        let (product, overflow) = count.multipliedReportingOverflow(by: maximumRatio)
        return overflow ? .max : product
    }

    /// Decompresses one raw stream, or a gzip file of one or several members.
    /// - Parameters:
    ///   - expected: the number of bytes that the result must have; nil if it is not known.
    ///   - place: names the bytes in errors.
    /// - Throws: `dataLoss` when the bytes are damaged, end early, are followed by others, or are not as many as expected.
    static func inflate(_ bytes: [UInt8], _ framing: Framing, expected: Int? = nil, _ place: String) throws(Status) -> [UInt8] {
        var stream = z_stream()
        guard (framing == .raw ? zlib_begin_inflating_raw(&stream) : zlib_begin_inflating(&stream)) == Z_OK else {
            throw .resourceExhausted("\(place): no memory is left to decompress")
        }
        defer { inflateEnd(&stream) }
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        let limit = expected ?? maximumByteCount(of: bytes.count)
        try bytes.withUnsafeBufferPointer { (input) throws(Status) in
            guard let base = input.baseAddress, !input.isEmpty else { throw .dataLoss("\(place): expected compressed bytes, found none") }
            var taken = 0
            while true {
                let given = min(input.count - taken, 1 << 30)
                stream.next_in = UnsafeMutablePointer(mutating: base + taken)
                stream.avail_in = UInt32(given)
                let (code, written) = chunk.withUnsafeMutableBufferPointer { memory in
                    stream.next_out = memory.baseAddress
                    stream.avail_out = UInt32(memory.count)
                    let code = CZlib.inflate(&stream, Z_NO_FLUSH)
                    return (code, memory.count - Int(stream.avail_out))
                }
                taken += given - Int(stream.avail_in)
                output.append(contentsOf: chunk[..<written])
                guard output.count <= limit else { throw .dataLoss("\(place): expected \(limit) bytes when decompressed, found more") }
                switch code {
                case Z_STREAM_END where taken == input.count: return
                case Z_STREAM_END where framing == .gzip && inflateReset(&stream) == Z_OK: continue
                case Z_STREAM_END: throw .dataLoss("\(place): expected the end of the compressed bytes at \(taken), found \(input.count - taken) more")
                case Z_OK: continue
                case Z_BUF_ERROR: throw .dataLoss("\(place): the compressed bytes end early, after \(output.count) bytes of what they say")
                default: throw .dataLoss("\(place): the compressed bytes are damaged at \(taken), after \(output.count) bytes of what they say")
                }
            }
        }
        if let expected, output.count != expected {
            throw .dataLoss("\(place): expected \(expected) bytes when decompressed, found \(output.count)")
        }
        return output
    }

    /// The bytes of a file that may be compressed with gzip, which its first bytes tell.
    static func contents(_ bytes: [UInt8], _ place: String) throws(Status) -> [UInt8] {
        bytes.starts(with: [0x1f, 0x8b]) ? try inflate(bytes, .gzip, place) : bytes
    }

    /// The CRC-32 of bytes, which zip archives have.
    package static func checksum(_ bytes: [UInt8]) -> UInt32 {
        bytes.withUnsafeBufferPointer { memory in
            var (crc, position) = (CZlib.crc32(0, nil, 0), 0)
            while position < memory.count, let base = memory.baseAddress {
                let count = min(memory.count - position, 1 << 30)
                crc = CZlib.crc32(crc, base + position, UInt32(count))
                position += count
            }
            return UInt32(truncatingIfNeeded: crc)
        }
    }
}
