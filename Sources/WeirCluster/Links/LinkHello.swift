import WeirTensor

/// The first frame of each socket of a link. It identifies the link and the socket's role in it.
///
/// The link's number is in the frame's `call`, the rest in the head.
struct LinkHello {
    /// The longest head that a listener accepts before it has authenticated the peer.
    static let maximumHeadByteCount = 1024
    /// The longest task name that is sent. Nothing but the peer's metrics needs it.
    private static let maximumNameByteCount = 512

    var link: UInt64
    /// The secret that the peer got from `LinkService`.
    var secret: UInt64
    var role: Link.SocketRole
    /// Whether the descriptor of a `SharedRing` follows the frame.
    var sharesMemory: Bool
    /// The peer's task; nil when its name is too long or malformed.
    var task: DeviceName?

    init(link: UInt64, secret: UInt64, role: Link.SocketRole, sharesMemory: Bool, task: DeviceName?) {
        self.link = link
        self.secret = secret
        self.role = role
        self.sharesMemory = sharesMemory
        self.task = task
    }

    /// Decodes the frame.
    /// - Throws: `dataLoss` when the head ends early or its role is unknown.
    init(_ frame: LinkFrame) throws(Status) {
        var decoder = LinkHeadDecoder(frame.head)
        link = frame.call
        secret = try decoder.fixed64()
        let number = try decoder.byte()
        guard let role = Link.SocketRole(rawValue: number) else {
            throw .dataLoss("A link has the sockets 0 and 1, found a greeting for socket \(number)")
        }
        self.role = role
        sharesMemory = try decoder.bool()
        let name = try decoder.text()
        let task = try? DeviceName(name).taskName
        self.task = task?.job == nil ? nil : task
    }

    var frame: LinkFrame {
        var encoder = LinkHeadEncoder()
        encoder.fixed64(secret)
        encoder.byte(role.rawValue)
        encoder.bool(sharesMemory)
        let name = task?.description ?? ""
        encoder.text(name.utf8.count <= LinkHello.maximumNameByteCount ? name : "")
        return LinkFrame(kind: .hello, call: link, head: encoder.bytes)
    }
}
