import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import WeirTensor

/// The HTTP/2 connections of a `GRPCConnection`. It opens another one when all have `TransportOptions.callsPerConnection` calls.
final class GRPCTransportPool: Sendable {
    typealias Transport = HTTP2ClientTransport.Posix

    /// One HTTP/2 connection, which reconnects by itself.
    private struct Connection {
        let transport: Transport
        let running: Task<Void, Never>
        var callCount = 0
    }
    private struct State {
        /// Only grows, so that an index stays valid.
        var connections: [Connection] = []
        var isClosed = false
    }
    private let address: String
    private let options: TransportOptions
    private let state = Mutex(State())

    init(address: String, options: TransportOptions) {
        self.address = address
        self.options = options
    }

    deinit { shutDown() }

    /// Takes the first connection that has room for another call. `release` gives the room back.
    /// - Throws: `cancelled` when the pool is closed; `invalidArgument` when the address is malformed.
    func acquire() throws -> (Transport, index: Int) {
        try state.withLock { state in
            guard !state.isClosed else {
                throw WeirTensor.Status.cancelled("The connection to \(address) was closed")
            }
            let index = state.connections.firstIndex { $0.callCount < options.callsPerConnection } ?? state.connections.count
            if index == state.connections.count {
                let target = try GRPCTransportPool.resolvableTarget(address)
                let transport = try Transport(target: target, transportSecurity: .plaintext, config: options.client)
                let running = Task.detached { _ = try? await transport.connect() }
                state.connections.append(Connection(transport: transport, running: running))
            }
            state.connections[index].callCount += 1
            return (state.connections[index].transport, index)
        }
    }

    func release(_ index: Int) {
        state.withLock { if !$0.isClosed { $0.connections[index].callCount -= 1 } }
    }

    /// Closes all connections and returns when they are closed. Later calls of `acquire` fail.
    func close() async {
        for connection in shutDown() { await connection.running.value }
    }

    @discardableResult private func shutDown() -> [Connection] {
        let connections = state.withLock { state -> [Connection] in
            defer { state = State(isClosed: true) }
            return state.connections
        }
        for connection in connections {
            connection.transport.beginGracefulShutdown()
            connection.running.cancel()
        }
        return connections
    }

    /// Parses `host:port`; the host is a name, an IPv4 address, or an IPv6 address in brackets.
    /// - Throws: `invalidArgument` when the address is malformed.
    private static func resolvableTarget(_ address: String) throws -> any ResolvableTarget {
        let malformed = WeirTensor.Status.invalidArgument("Could not interpret \"\(address)\" as a host-port pair.")
        guard let colon = address.lastIndex(of: ":"), let port = Int(address[address.index(after: colon)...]),
            (1...65535).contains(port)
        else { throw malformed }
        let host = String(address[..<colon])
        guard !host.isEmpty else { throw malformed }
        if host.hasPrefix("["), host.hasSuffix("]") {
            return .ipv6(address: String(host.dropFirst().dropLast()), port: port)
        }
        if host.allSatisfy({ $0.isNumber || $0 == "." }) { return .ipv4(address: host, port: port) }
        return .dns(host: host, port: port)
    }
}
