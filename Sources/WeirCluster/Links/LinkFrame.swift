package import WeirTensor

/// One message of a link: a small head with its meaning, and perhaps a tensor's bytes.
///
/// On the wire: kind (1 byte), 3 zero bytes, length of the head (4), call (8), length of the payload (8), all little
/// endian; then the head, then the payload.
package struct LinkFrame {
    package enum Kind: UInt8 {
        /// Who connects: the first frame of each socket.
        case hello = 1
        case runGraph, runGraphReply, receiveTensor, tensor, failure, cancel, cleanUp
    }
    static let headerByteCount = 24
    /// More than any head needs: lists of tensors travel in them, tensors of a layer's size do not.
    static let maximumHeadByteCount = 1 << 30

    package var kind: Kind
    package var call: UInt64
    package var head: [UInt8]
    package var payload: Tensor?

    package init(kind: Kind, call: UInt64, head: [UInt8] = [], payload: Tensor? = nil) {
        self.kind = kind
        self.call = call
        self.head = head
        self.payload = payload
    }

    /// A head that the peer will take.
    /// - Throws: `resourceExhausted` when it is too large.
    static func checked(_ head: [UInt8]) throws(Status) -> [UInt8] {
        guard head.count <= maximumHeadByteCount else {
            throw .resourceExhausted(
                "Feeds or fetches of \(head.count) bytes in one message; links take \(maximumHeadByteCount), servers with --protocol grpc twice as much")
        }
        return head
    }
}
