import NIOCore
import NIOHPACK
import NIOHTTP2
import WeirTensor

/// A channel handler that decompresses requests, before the transport's own handler on each stream.
///
/// TensorFlow compresses requests when `RPCOptions.compression_algorithm` says so. The transport (2.9.2) could decompress them,
/// but it hangs on a truncated message, and with it all connections of the event loop.
final class RequestDecompressor: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private static let encodings = ["gzip", "deflate"]
    /// The bytes before each message: whether it is compressed (1 byte), and its length (4 bytes).
    private static let prefixByteCount = 5
    /// The largest decompressed message, in bytes. A few kilobytes can expand to a few megabytes, and the memory is allocated
    /// before the sender is known.
    private static let maximumInflatedByteCount = 256 << 20
    private let (limit, messageLimit): (Int, Int)
    private var isCompressed = false
    private var hasFailed = false
    private var received = ByteBuffer()

    /// - Parameter limit: the largest message in bytes.
    init(limit: Int) { (self.limit, messageLimit) = (min(limit, RequestDecompressor.maximumInflatedByteCount), limit) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        switch unwrapInboundIn(data) {
        case .headers(var headers):
            guard let encoding = headers.headers.first(name: "grpc-encoding"), RequestDecompressor.encodings.contains(encoding) else {
                context.fireChannelRead(data)
                context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
                return
            }
            isCompressed = true
            headers.headers.remove(name: "grpc-encoding")
            context.fireChannelRead(wrapInboundOut(.headers(headers)))
        case .data(var data) where isCompressed:
            if case .byteBuffer(var bytes) = data.data { received.writeBuffer(&bytes) }
            do throws(Status) {
                data.data = .byteBuffer(try takeMessages())
                context.fireChannelRead(wrapInboundOut(.data(data)))
            } catch {
                fail(error, context)
            }
        default: context.fireChannelRead(data)
        }
    }

    /// Removes the complete messages from the received bytes and returns them decompressed.
    private func takeMessages() throws(Status) -> ByteBuffer {
        var messages = ByteBuffer()
        while let flag = received.getInteger(at: received.readerIndex, as: UInt8.self),
            let length = received.getInteger(at: received.readerIndex + 1, as: UInt32.self)
        {
            // Clients send a message uncompressed when compression would not make it smaller.
            guard length <= (flag == 1 ? limit : messageLimit) else {
                throw .resourceExhausted("A compressed message has \(length) bytes, and may have \(limit): send it without compression")
            }
            guard received.readableBytes - RequestDecompressor.prefixByteCount >= length else { break }
            received.moveReaderIndex(forwardBy: RequestDecompressor.prefixByteCount)
            guard var message = received.readSlice(length: Int(length)) else { break }
            if flag == 1 { message = try Zlib.inflate(message, limit: limit) }
            messages.writeInteger(flag == 1 ? 0 : flag)
            messages.writeInteger(UInt32(message.readableBytes))
            messages.writeBuffer(&message)
        }
        received.discardReadBytes()
        return messages
    }

    /// Replies with a failure and ends the stream. The transport has not seen this call yet, so it cannot reply.
    private func fail(_ status: Status, _ context: ChannelHandlerContext) {
        hasFailed = true
        received = ByteBuffer()
        let trailers: HPACKHeaders = [
            ":status": "200", "content-type": "application/grpc", "grpc-status": "\(status.code.rawValue)", "grpc-message": status.message,
        ]
        context.writeAndFlush(wrapOutboundOut(.headers(.init(headers: trailers, endStream: true))), promise: nil)
        context.close(promise: nil)
    }
}
