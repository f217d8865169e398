import Synchronization
import WeirRuntime

/// The connections of a process, by address. Clients may name any number of addresses: the least recently used connections
/// are evicted, and close when no one uses them any more.
final class GRPCConnections: Sendable {
    /// The connections of the clients in this process. They stay open, because idle connections cost almost nothing.
    static let shared = GRPCConnections()

    private let options: TransportOptions
    private let connections = Mutex(LRUCache<String, GRPCConnection>(capacity: 1000))

    init(options: TransportOptions = TransportOptions()) { self.options = options }

    subscript(address: String) -> GRPCConnection {
        let (connection, evicted) = connections.withLock { connections -> (GRPCConnection, [GRPCConnection]) in
            if let existing = connections.use(address) { return (existing, []) }
            let created = GRPCConnection(address: address, options: options)
            return (created, connections.insert(address, created))
        }
        // Releases the evicted connections here, after unlocking, because their deinitializers shut them down.
        withExtendedLifetime(evicted) {}
        return connection
    }

    /// Closes all connections. Calls in flight fail. Connections that are requested later are new.
    func close() async {
        for connection in connections.withLock({ $0.removeAll() }) { await connection.close() }
    }
}
