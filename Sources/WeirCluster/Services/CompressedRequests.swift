import NIOCore
import NIOHPACK
import NIOHTTP2
import WeirTensor

/// Hands compressed requests on as if they had not been compressed. Stands on each stream before the transport's handler.
///
/// TensorFlow compresses what it sends when `RPCOptions.compression_algorithm` says so. The transport could decompress by
/// itself, but (2.9.2) never comes back from a message that ends early, and with it all of the event loop's connections.
final class CompressedRequests: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTP2Frame.FramePayload
    typealias InboundOut = HTTP2Frame.FramePayload
    typealias OutboundOut = HTTP2Frame.FramePayload

    private static let encodings = ["gzip", "deflate"]
    /// Of a message's head: whether it is compressed, and its length.
    private static let headByteCount = 5
    /// Of what a message says. A few kilobytes may say as much as a few megabytes, and memory is taken before anyone asks who
    /// sent them.
    private static let maximumByteCount = 256 << 20
    private let (limit, messageLimit): (Int, Int)
    private var isCompressed = false
    private var hasFailed = false
    private var received = ByteBuffer()

    /// - Parameter limit: the bytes that a message may have.
    init(limit: Int) { (self.limit, messageLimit) = (min(limit, CompressedRequests.maximumByteCount), limit) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !hasFailed else { return }
        switch unwrapInboundIn(data) {
        case .headers(var headers):
            guard let encoding = headers.headers.first(name: "grpc-encoding"), CompressedRequests.encodings.contains(encoding) else {
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

    /// The messages that are there as a whole, none of them compressed.
    private func takeMessages() throws(Status) -> ByteBuffer {
        var messages = ByteBuffer()
        while let flag = received.getInteger(at: received.readerIndex, as: UInt8.self),
            let length = received.getInteger(at: received.readerIndex + 1, as: UInt32.self)
        {
            // What would not become smaller is sent as it is.
            guard length <= (flag == 1 ? limit : messageLimit) else {
                throw .resourceExhausted("A compressed message has \(length) bytes, and may have \(limit): send it without compression")
            }
            guard received.readableBytes - CompressedRequests.headByteCount >= length else { break }
            received.moveReaderIndex(forwardBy: CompressedRequests.headByteCount)
            guard var message = received.readSlice(length: Int(length)) else { break }
            if flag == 1 { message = try Inflation.inflate(message, limit: limit) }
            messages.writeInteger(flag == 1 ? 0 : flag)
            messages.writeInteger(UInt32(message.readableBytes))
            messages.writeBuffer(&message)
        }
        received.discardReadBytes()
        return messages
    }

    /// Answers the call, which the transport has not seen begin, and ends it.
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
