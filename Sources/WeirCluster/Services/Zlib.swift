import CZlib
import NIOCore
import WeirTensor

/// Decompression of gRPC messages with zlib.
enum Zlib {
    /// Decompresses one complete message in gzip or zlib format.
    /// - Parameter limit: the largest result in bytes. At most about twice as much memory is allocated.
    /// - Throws: `dataLoss` unless the bytes are exactly one complete message; `resourceExhausted` when it exceeds the limit.
    static func inflate(_ message: ByteBuffer, limit: Int) throws(Status) -> ByteBuffer {
        var stream = z_stream()
        guard zlib_begin_inflating(&stream) == Z_OK else { throw .resourceExhausted("No memory is left to decompress a message") }
        defer { inflateEnd(&stream) }
        var message = message
        return try message.readWithUnsafeMutableReadableBytes { input in
            stream.next_in = input.baseAddress?.assumingMemoryBound(to: UInt8.self)
            stream.avail_in = UInt32(clamping: input.count)
            return (input.count, Result { () throws(Status) in try inflate(&stream, limit: limit) })
        }.get()
    }

    private static func inflate(_ stream: inout z_stream, limit: Int) throws(Status) -> ByteBuffer {
        var output = ByteBuffer()
        while true {
            // Allows one byte more than the limit, to detect that the message exceeds it.
            let room = min(max(output.readableBytes, 4096), limit + 1 - output.readableBytes, 1 << 30)
            var code = Z_OK
            output.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { memory in
                stream.next_out = memory.baseAddress?.assumingMemoryBound(to: UInt8.self)
                stream.avail_out = UInt32(room)
                code = CZlib.inflate(&stream, Z_NO_FLUSH)
                return room - Int(stream.avail_out)
            }
            guard output.readableBytes <= limit else {
                throw .resourceExhausted("A compressed message says more than the \(limit) bytes that it may: send it without compression")
            }
            switch code {
            case Z_STREAM_END where stream.avail_in == 0: return output
            case Z_STREAM_END: throw .dataLoss("A compressed message is followed by \(stream.avail_in) bytes")
            case Z_OK where stream.avail_out == 0: continue
            case Z_OK, Z_BUF_ERROR: throw .dataLoss("A compressed message ends early, after \(output.readableBytes) bytes of what it says")
            default: throw .dataLoss("A message is not what its compression makes, after \(output.readableBytes) bytes of what it says")
            }
        }
    }
}
