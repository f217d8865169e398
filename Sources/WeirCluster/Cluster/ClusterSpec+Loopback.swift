import Glibc
import WeirTensor

extension ClusterSpec {
    /// Returns a cluster on this machine. Each task gets a port that is free now.
    /// - Throws: `resourceExhausted` when there are not enough free ports.
    public static func onLoopback(_ jobs: [(name: String, count: Int)]) throws -> ClusterSpec {
        let ports = try freePorts(jobs.reduce(0) { $0 + $1.count })
        var next = ports.makeIterator()
        var addresses: [String: [String]] = [:]
        for job in jobs {
            addresses[job.name, default: []] += (0..<job.count).map { _ in "127.0.0.1:\(next.next() ?? 0)" }
        }
        return try ClusterSpec(addresses)
    }

    /// Returns different free ports. Keeps all sockets open until the end, so that the system gives no port twice.
    private static func freePorts(_ count: Int) throws -> [Int] {
        var sockets: [Int32] = []
        defer { for socket in sockets { close(socket) } }
        return try (0..<count).map { _ in
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            if descriptor >= 0 { sockets.append(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let isBound = withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                    bind(descriptor, generic, length) == 0 && getsockname(descriptor, generic, &length) == 0
                }
            }
            guard isBound else {
                throw Status.resourceExhausted("no free port on this machine: \(String(cString: strerror(errno)))")
            }
            return Int(UInt16(bigEndian: address.sin_port))
        }
    }
}
