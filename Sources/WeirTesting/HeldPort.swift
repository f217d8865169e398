import Glibc
package import WeirTensor

/// A port of the loopback interface where no server answers, which no other process gets meanwhile.
package final class HeldPort: Sendable {
    /// `127.0.0.1:port`.
    package let address: String
    private let descriptor: Int32

    /// - Parameter accepts: whether connections are accepted, though nothing is ever said there; otherwise they are refused.
    /// - Throws: the error of the system.
    package init(accepts: Bool) throws(Status) {
        let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var bound = sockaddr_in()
        bound.sin_family = sa_family_t(AF_INET)
        bound.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let failed = withUnsafeMutablePointer(to: &bound) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(descriptor, generic, length) != 0 || getsockname(descriptor, generic, &length) != 0 || (accepts && listen(descriptor, 100) != 0)
            }
        }
        self.descriptor = descriptor
        address = "127.0.0.1:\(UInt16(bigEndian: bound.sin_port))"
        if failed { throw .unavailable("cannot hold a port: \(String(cString: strerror(errno)))") }
    }

    deinit { close(descriptor) }
}
