import WeirTensor

/// The first frame of each socket of a link: says which link and which of its two sockets this is.
///
/// The link's number is the frame's `call`; the head holds the rest.
struct LinkHello {
    /// The longest head that a listener reads before it knows its peer.
    static let maximumHeadByteCount = 64

    var link: UInt64
    /// What `LinkService` told the peer.
    var secret: UInt64
    var role: Link.SocketRole
    /// Whether the descriptor of a `SharedRing` follows the frame.
    var sharesMemory: Bool

    init(link: UInt64, secret: UInt64, role: Link.SocketRole, sharesMemory: Bool) {
        self.link = link
        self.secret = secret
        self.role = role
        self.sharesMemory = sharesMemory
    }

    /// - Throws: `dataLoss` when the head ends early or names another socket.
    init(_ frame: LinkFrame) throws(Status) {
        var reader = LinkReader(frame.head)
        link = frame.call
        secret = try reader.fixed64()
        let number = try reader.byte()
        guard let role = Link.SocketRole(rawValue: number) else {
            throw .dataLoss("A link has the sockets 0 and 1, found a greeting for socket \(number)")
        }
        self.role = role
        sharesMemory = try reader.bool()
    }

    var frame: LinkFrame {
        var writer = LinkWriter()
        writer.fixed64(secret)
        writer.byte(role.rawValue)
        writer.bool(sharesMemory)
        return LinkFrame(kind: .hello, call: link, head: writer.bytes)
    }
}
