import Glibc
import WeirTensor

/// Where a task takes links: at a port, and for the tasks of its host at a name, which is faster.
struct LinkAddress: Sendable {
    var port: Int
    /// In the abstract namespace of Unix sockets: no file, gone with the process. Empty when there is none.
    var name: String

    /// Connects, by the name where that is on this host. Blocks.
    /// - Returns: the socket, and whether its peer is on this host.
    /// - Throws: `unavailable` when nobody listens there.
    func connect(host: String) throws(Status) -> (socket: LinkSocket, isLocal: Bool) {
        // A name that is unknown here is another host's, or another container's.
        if !name.isEmpty, let socket = LinkAddress.connect(name: name) { return (socket, true) }
        return (try LinkAddress.connect(host: host, port: port), false)
    }

    private static func connect(name: String) -> LinkSocket? {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { return nil }
        if with(name, { Glibc.connect(descriptor, $0, $1) }) == 0 { return LinkSocket(descriptor: descriptor) }
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

    /// Listens at a free port.
    /// - Returns: a listening descriptor, and the port.
    /// - Throws: `unavailable` when no port can be listened on.
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
        guard isListening else { throw failure(descriptor) }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    /// Listens at a name of its own.
    /// - Throws: `unavailable` when that cannot be listened on.
    static func listen(name: String) throws(Status) -> Int32 {
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard with(name, { bind(descriptor, $0, $1) }) == 0, Glibc.listen(descriptor, 128) == 0 else { throw failure(descriptor) }
        return descriptor
    }

    private static func failure(_ descriptor: Int32) -> Status {
        let reason = String(cString: strerror(errno))
        if descriptor >= 0 { close(descriptor) }
        return .unavailable("Cannot listen for links: \(reason)")
    }

    /// Calls `body` with a name's address: a zero byte, and the name without one at its end.
    private static func with(_ name: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32) -> Int32 {
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
