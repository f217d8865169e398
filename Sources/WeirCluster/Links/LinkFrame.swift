package import WeirTensor

/// One message of a link: a small head that says what it is, and optionally the bytes of a tensor.
///
/// On the wire: kind (1 byte), 3 zero bytes, length of the head (4), call (8), length of the payload (8), all little
/// endian; then the head, then the payload.
package struct LinkFrame {
    /// The kinds of frames. The raw value is on the wire.
    package enum Kind: UInt8 {
        /// The first frame of each socket: identifies the peer (`LinkHello`).
        case hello = 1
        case runGraph, runGraphReply, receiveTensor, tensor, failure, cancel, cleanUp
        /// A tensor of a collective operation is asked for. The reply is `tensor`.
        case receiveBuffer
        /// A group of collective operations has ended. No reply.
        case endGroup
    }
    static let headerByteCount = 24
    /// The largest head, in bytes. Small tensors travel in heads; tensors of a layer's size travel in payloads.
    static let maximumHeadByteCount = 1 << 30

    package var kind: Kind
    /// The number by which a reply names its call; in `hello` the number of the link.
    package var call: UInt64
    package var head: [UInt8]
    package var payload: Tensor?

    /// The size of the frame in bytes.
    var byteCount: Int { LinkFrame.headerByteCount + head.count + (payload?.byteCount ?? 0) }

    package init(kind: Kind, call: UInt64, head: [UInt8] = [], payload: Tensor? = nil) {
        self.kind = kind
        self.call = call
        self.head = head
        self.payload = payload
    }

    /// Returns the head if the peer accepts its size.
    /// - Throws: `resourceExhausted` when it is too large.
    static func checked(_ head: [UInt8]) throws(Status) -> [UInt8] {
        guard head.count <= maximumHeadByteCount else {
            throw .resourceExhausted(
                "Feeds or fetches of \(head.count) bytes in one message; links take \(maximumHeadByteCount), servers with --protocol grpc twice as much")
        }
        return head
    }
}
