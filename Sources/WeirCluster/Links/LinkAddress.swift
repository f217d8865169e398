import Glibc
import WeirTensor

/// The address at which a task accepts links: a TCP port, and a Unix socket for tasks on the same host, which is faster.
struct LinkAddress: Sendable {
    var port: Int
    /// The name of the Unix socket, in the abstract namespace: no file, gone with the process. Empty when there is none.
    var name: String

    /// Connects, through the Unix socket if it exists on this host, otherwise over TCP. Blocks.
    /// - Returns: the socket, and whether its peer is on this host.
    /// - Throws: `unavailable` when nothing listens there.
    func connect(host: String) throws(Status) -> (socket: LinkSocket, isLocal: Bool) {
        // A name that does not exist here belongs to another host or another container.
        if !name.isEmpty, let socket = LinkAddress.connect(name: name) { return (socket, true) }
        return (try LinkAddress.connect(host: host, port: port), false)
    }

    private static func connect(name: String) -> LinkSocket? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        if withSocketAddress(of: name, { Glibc.connect(descriptor, $0, $1) }) == 0 { return LinkSocket(descriptor: descriptor) }
        close(descriptor)
        return nil
    }

    private static func connect(host: String, port: Int) throws(Status) -> LinkSocket {
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var found: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, "\(port)", &hints, &found) == 0 else { throw .unavailable("\(host) is not known") }
        defer { freeaddrinfo(found) }
        var reason = "no address"
        var next = found
        while let address = next?.pointee {
            next = address.ai_next
            let descriptor = socket(address.ai_family, address.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), address.ai_protocol)
            guard descriptor >= 0 else { continue }
            if Glibc.connect(descriptor, address.ai_addr, address.ai_addrlen) == 0 { return LinkSocket(descriptor: descriptor) }
            reason = String(cString: strerror(errno))
            close(descriptor)
        }
        throw .unavailable("\(host):\(port): \(reason)")
    }

    /// Listens on a free TCP port.
    /// - Returns: a listening descriptor, and the port.
    /// - Throws: `unavailable` when the system refuses to listen.
    static func listen(host: String) throws(Status) -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = host == "127.0.0.1" || host == "localhost" ? UInt32(0x7F00_0001).bigEndian : 0
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isListening = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) == 0 && Glibc.listen(descriptor, 128) == 0
                    && getsockname(descriptor, generic, &length) == 0
            }
        }
        guard isListening else { throw listenFailure(closing: descriptor) }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// Listens on a Unix socket with this name.
    /// - Throws: `unavailable` when the system refuses to listen.
    static func listen(name: String) throws(Status) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard withSocketAddress(of: name, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else {
            throw listenFailure(closing: descriptor)
        }
        return descriptor
    }

    private static func listenFailure(closing descriptor: Int32) -> Status {
        let reason = String(cString: strerror(errno))
        if descriptor >= 0 { close(descriptor) }
        return .unavailable("Cannot listen for links: \(reason)")
    }

    /// Calls `body` with the address of a Unix socket in the abstract namespace: a zero byte, then the name without a terminator.
    private static func withSocketAddress(of name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(name.utf8.prefix(MemoryLayout.size(ofValue: address.sun_path) - 1))
        withUnsafeMutableBytes(of: &address.sun_path) { $0[1...].copyBytes(from: bytes) }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + 1 + bytes.count)
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, length) }
        }
    }
}
