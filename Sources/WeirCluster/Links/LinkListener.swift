import CLinux
import Glibc
import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// Accepts links from other tasks. A `LinkServer` answers the calls of each.
///
/// A peer gets the port and a secret over gRPC, so a link admits exactly the peers that the gRPC port admits.
final class LinkListener: Sendable {
    let address: LinkAddress
    /// The secret that a peer must send first.
    let secret: UInt64 = .random(in: 1 ... .max)
    /// The most handshakes at a time, and how long one may take. Each has a thread.
    private static let maximumHandshakes = 256
    private static let handshakeTimeout = Duration.seconds(10)
    /// The most links, each of which has threads, and the most sockets whose link is still missing its other socket.
    private static let maximumLinks = 4096
    private static let maximumIncompleteConnections = 1024
    private let worker: any WorkerEndpoint
    private let variants: VariantDecoders
    private let metrics: ServerMetrics
    private struct IncompleteConnection {
        var socket: LinkSocket
        var ring: SharedRing?
    }
    private struct State {
        var isStopped = false
        /// Descriptors that listen. The accepting threads close them.
        var listening: [Int32] = []
        var handshakes = 0
        /// By link number, sockets whose link is still missing its other socket.
        var incomplete = LRUCache<UInt64, IncompleteConnection>(capacity: LinkListener.maximumIncompleteConnections)
        var links: [UInt64: LinkServer] = [:]
    }
    private let state = Mutex(State())

    /// Listens and starts accepting connections.
    /// - Parameter sharesMemory: whether tasks on this host use the Unix socket and shared memory; otherwise they use TCP.
    /// - Throws: `unavailable` when the system refuses to listen; `resourceExhausted` when it cannot start a thread.
    init(host: String, sharesMemory: Bool, worker: any WorkerEndpoint, variants: VariantDecoders, metrics: ServerMetrics) throws(Status) {
        self.worker = worker
        self.variants = variants
        self.metrics = metrics
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
                try SystemThread.run { [weak self] in LinkListener.acceptConnections(descriptor) { self } }
            } catch {
                stop()
                throw error
            }
        }
    }

    /// Accepts connections until the listener is stopped.
    private static func acceptConnections(_ descriptor: Int32, for listener: () -> LinkListener?) {
        while true {
            let accepted = Glibc.accept(descriptor, nil, nil)
            if accepted < 0 {
                if errno == EINTR || errno == ECONNABORTED { continue }
                // Descriptors or memory may be exhausted for a while, or `accept` reports an error of a connection. Only a
                // descriptor that no longer listens ends the loop.
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

    /// Runs the handshake on a thread of its own, so that a silent client does not delay others.
    /// - Returns: false when the listener has been stopped.
    private func startHandshake(_ socket: LinkSocket) -> Bool {
        let isAdmitted = state.withLock { state -> Bool? in
            guard !state.isStopped else { return nil }
            guard state.handshakes < LinkListener.maximumHandshakes else { return false }
            state.handshakes += 1
            return true
        }
        guard isAdmitted == true else { return isAdmitted != nil }
        do throws(Status) {
            try SystemThread.run { [self] in
                let deadline = Deadline(LinkListener.handshakeTimeout) { socket.close() }
                admit(socket)
                deadline.stop()
                state.withLock { $0.handshakes -= 1 }
            }
        } catch {
            state.withLock { $0.handshakes -= 1 }
        }
        return true
    }

    /// Reads the hello frame, and starts the link when both of its sockets are there.
    private func admit(_ socket: LinkSocket) {
        guard let frame = try? socket.receive(isHandshake: true) else { return socket.close() }
        guard let hello = try? LinkHello(frame), hello.secret == secret else { return socket.close() }
        var connection = IncompleteConnection(socket: socket)
        if hello.role == .bulk, hello.sharesMemory {
            guard let ring = try? socket.receiveRing() else { return socket.close() }
            connection.ring = ring
        }
        let id = hello.link
        let (other, evicted) = state.withLock { state -> (IncompleteConnection?, [IncompleteConnection]) in
            if let other = state.incomplete.remove(id) {
                return state.links.count < LinkListener.maximumLinks ? (other, []) : (nil, [other, connection])
            }
            // When a peer has given up or ended, its other socket never comes. The cache evicts such sockets.
            return (nil, state.incomplete.insert(id, connection))
        }
        for connection in evicted { connection.socket.close() }
        guard let other else { return }
        let (control, bulk) = hello.role == .control ? (connection, other) : (other, connection)
        guard let link = try? Link(control: control.socket, bulk: bulk.socket, outgoing: bulk.ring, metrics: metrics.link(with: hello.task)) else {
            // The system has no thread for the link. The peer's link ends and its calls fail; later calls use gRPC.
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

    /// Stops accepting, and closes all links.
    func stop() {
        let (links, incomplete) = state.withLock { state -> ([LinkServer], [LinkSocket]) in
            state.isStopped = true
            // Shuts down while locked: after a descriptor is closed, the system may give its number to another file.
            for descriptor in state.listening { shutdown(descriptor, Int32(SHUT_RDWR)) }
            return (Array(state.links.values), state.incomplete.removeAll().map(\.socket))
        }
        for link in links { link.close() }
        for socket in incomplete { socket.close() }
    }
}
