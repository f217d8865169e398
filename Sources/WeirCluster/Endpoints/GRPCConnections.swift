import Synchronization
import WeirRuntime

/// The connections of a process, one for each address. Clients may name addresses without end: those used last are kept,
/// others end with whoever still uses them.
final class GRPCConnections: Sendable {
    /// Those of clients in this process. They stay: an idle connection costs nothing.
    static let shared = GRPCConnections()

    private let options: TransportOptions
    private let connections = Mutex(LRUCache<String, GRPCConnection>(capacity: 1000))

    init(options: TransportOptions = TransportOptions()) { self.options = options }

    subscript(address: String) -> GRPCConnection {
        let (connection, gone) = connections.withLock { connections -> (GRPCConnection, [GRPCConnection]) in
            if let known = connections.use(address) { return (known, []) }
            let made = GRPCConnection(address: address, options: options)
            return (made, connections.insert(address, made))
        }
        withExtendedLifetime(gone) {}
        return connection
    }

    /// Ends all; calls under way fail. Connections asked for later are new ones.
    func close() async {
        for connection in connections.withLock({ $0.removeAll() }) { await connection.close() }
    }
}
