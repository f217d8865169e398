import CLinux
import Glibc
import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// Takes links from other tasks and answers their calls with this task's worker.
///
/// A peer learns the port and a secret over gRPC, so a link admits just whom the gRPC port admits.
final class LinkListener: Sendable {
    let address: LinkAddress
    /// What a peer must say first.
    let secret: UInt64 = .random(in: 1 ... .max)
    /// How many may have connected and not yet said who they are, and for how long. Each takes a thread.
    private static let maximumHandshakes = 256
    private static let patience = Duration.seconds(10)
    /// How many links there may be, each of which takes threads, and how many sockets whose other half is still to come.
    private static let maximumLinks = 4096
    private static let maximumIncompleteConnections = 1024
    private let worker: Worker
    private let variants: VariantDecoders
    private struct IncompleteConnection {
        var role: Link.SocketRole
        var socket: LinkSocket
        var ring: SharedRing?
    }
    private struct State {
        var isStopped = false
        /// Open for connections; closed by the threads that take these.
        var listening: [Int32] = []
        var handshakes = 0
        /// Sockets whose other half is still to come.
        var incomplete = LRUCache<UInt64, IncompleteConnection>(capacity: LinkListener.maximumIncompleteConnections)
        var links: [UInt64: LinkServer] = [:]
    }
    private let state = Mutex(State())

    /// - Parameter sharesMemory: whether tasks of this host get links through memory; without, they go over TCP too.
    /// - Throws: `unavailable` when no port can be listened on.
    init(host: String, sharesMemory: Bool, worker: Worker, variants: VariantDecoders) throws(Status) {
        self.worker = worker
        self.variants = variants
        let port = try LinkAddress.listen(host: host)
        var name = ""
        var descriptors = [port.descriptor]
        if sharesMemory {
            name = "weir-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
            do throws(Status) {
                descriptors.append(try LinkAddress.listen(name: name))
            } catch {
                close(port.descriptor)
                throw error
            }
        }
        address = LinkAddress(port: port.port, name: name)
        state.withLock { $0.listening = descriptors }
        for descriptor in descriptors {
            do throws(Status) {
                try SystemThread.run { [weak self] in LinkListener.accept(descriptor) { self } }
            } catch {
                stop()
                throw error
            }
        }
    }

    /// Takes connections until the listener is stopped.
    private static func accept(_ descriptor: Int32, for listener: () -> LinkListener?) {
        while true {
            let accepted = Glibc.accept(descriptor, nil, nil)
            if accepted < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                // Out of descriptors or memory, which whoever has them may give back, or an error of the connection's that
                // comes here. Only a socket that is none any more gives no more connections.
                guard errno != EBADF, errno != EINVAL, listener()?.state.withLock({ $0.isStopped }) == false else { break }
                usleep(100_000)
                continue
            }
            _ = fcntl(accepted, F_SETFD, FD_CLOEXEC)
            let socket = LinkSocket(descriptor: accepted)
            guard let listener = listener(), listener.startHandshake(socket) else { break }
        }
        listener()?.state.withLock { state in state.listening.removeAll { $0 == descriptor } }
        close(descriptor)
    }

    /// Hears who has connected, on a thread of its own: who says nothing holds up nobody else.
    /// - Returns: false when the listener has been stopped.
    private func startHandshake(_ socket: LinkSocket) -> Bool {
        let isWelcome = state.withLock { state -> Bool? in
            guard !state.isStopped else { return nil }
            guard state.handshakes < LinkListener.maximumHandshakes else { return false }
            state.handshakes += 1
            return true
        }
        guard isWelcome == true else { return isWelcome != nil }
        do throws(Status) {
            try SystemThread.run { [self] in
                let deadline = Deadline(LinkListener.patience) { socket.close() }
                admit(socket)
                deadline.stop()
                state.withLock { $0.handshakes -= 1 }
            }
        } catch {
            state.withLock { $0.handshakes -= 1 }
        }
        return true
    }

    private func admit(_ socket: LinkSocket) {
        guard let frame = try? socket.receive(greets: true) else { return socket.close() }
        guard let hello = try? LinkHello(frame), hello.secret == secret else { return socket.close() }
        var connection = IncompleteConnection(role: hello.role, socket: socket)
        if hello.role == .bulk, hello.sharesMemory {
            guard let ring = try? socket.takeRing() else { return socket.close() }
            connection.ring = ring
        }
        let id = hello.link
        let (other, gone) = state.withLock { state -> (IncompleteConnection?, [IncompleteConnection]) in
            if let other = state.incomplete.remove(id) {
                return state.links.count < LinkListener.maximumLinks ? (other, []) : (nil, [other, connection])
            }
            // Of a peer that gave up, or is gone, the other half never comes.
            return (nil, state.incomplete.insert(id, connection))
        }
        for connection in gone { connection.socket.close() }
        guard let other else { return }
        let (control, bulk) = hello.role == .control ? (connection, other) : (other, connection)
        guard let link = try? Link(control: control.socket, bulk: bulk.socket, outgoing: bulk.ring) else {
            // No thread left for it. The peer's link ends, with the calls that it has sent; its next ones go over gRPC.
            control.socket.close()
            return bulk.socket.close()
        }
        let server = LinkServer(link, worker: worker, variants: variants)
        let isStopped = state.withLock { state -> Bool in
            state.links[id] = server
            return state.isStopped
        }
        server.start { [weak self] in self?.state.withLock { _ = $0.links.removeValue(forKey: id) } }
        if isStopped { server.close() }
    }

    func stop() {
        let (links, incomplete) = state.withLock { state -> ([LinkServer], [LinkSocket]) in
            state.isStopped = true
            // Under the lock: once closed, the number may be another file's.
            for descriptor in state.listening { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return (Array(state.links.values), state.incomplete.removeAll().map(\.socket))
        }
        for link in links { link.close() }
        for socket in incomplete { socket.close() }
    }
}
