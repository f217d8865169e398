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

    /// The maximum number of tasks in a job of a local cluster.
    private static let maximumLoopbackTasks = 256

    /// Returns a cluster on this machine from a text such as `ps=1,worker=2`.
    /// - Throws: `invalidArgument` for other text, for a job that is named twice, and for a count outside of 1…256;
    ///   `resourceExhausted` when there are not enough free ports.
    package static func onLoopback(_ text: String) throws -> ClusterSpec {
        var jobs: [(name: String, count: Int)] = []
        for part in text.split(separator: ",") {
            let fields = part.split(separator: "=", maxSplits: 1)
            guard fields.count == 2, let count = Int(fields[1]), !fields[0].isEmpty else {
                throw Status.invalidArgument("A local cluster is given as job=count,…, such as ps=1,worker=2; found \(quoted(part))")
            }
            guard (1...maximumLoopbackTasks).contains(count) else {
                throw Status.invalidArgument("A job of a local cluster has between 1 and \(maximumLoopbackTasks) tasks; found \(quoted(part))")
            }
            guard !jobs.contains(where: { $0.name == fields[0] }) else {
                throw Status.invalidArgument("A local cluster names each job once; found job '\(fields[0])' more than once in \(quoted(text))")
            }
            jobs.append((String(fields[0]), count))
        }
        guard !jobs.isEmpty else { throw Status.invalidArgument("A local cluster needs at least one job, such as worker=1; found \(quoted(text))") }
        return try onLoopback(jobs)
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
