import GRPCCore
import GRPCNIOTransportHTTP2Posix
import protocol NIOCore.Channel
import Synchronization
import WeirTensor

/// Serves a task's services on one port, from `start` until `shutDown`.
final class GRPCListener: Sendable {
    private let host: String
    private let port: Int
    private let transport: HTTP2ServerTransport.Posix
    private let table: RPCTable
    private let gate: DrainGate
    private let calls = OpenCalls()
    private let connections = OpenConnections()
    private let serving = Mutex<Task<Void, any Error>?>(nil)

    /// - Parameters:
    ///   - host: the address to listen on; a number, or `localhost`. TensorFlow's servers listen on all.
    ///   - port: 0 lets the system choose one.
    ///   - gate: what is waited for when it shuts down.
    init(
        host: String = "0.0.0.0", port: Int, services: [any RPCService],
        options: TransportOptions = TransportOptions(), gate: DrainGate = DrainGate()
    ) {
        self.gate = gate
        self.host = host == "localhost" ? "127.0.0.1" : host
        self.port = port
        let address: SocketAddress =
            self.host.contains(":" as Character) ? .ipv6(host: self.host, port: port) : .ipv4(host: self.host, port: port)
        var config = options.server
        let (accepted, connections) = (config.channelDebuggingCallbacks.onAcceptTCPConnection, connections)
        config.channelDebuggingCallbacks.onAcceptTCPConnection = { channel in
            connections.add(channel)
            return accepted?(channel) ?? channel.eventLoop.makeSucceededVoidFuture()
        }
        transport = HTTP2ServerTransport.Posix(address: address, transportSecurity: .plaintext, config: config)
        table = RPCTable(services)
    }

    /// Begins to listen. To be called once.
    /// - Returns: the port.
    /// - Throws: `unavailable` when the address cannot be listened on, because it is in use for instance.
    func start() async throws -> Int {
        let (transport, table, gate, calls) = (transport, table, gate, calls)
        // Not a task of the caller's: it goes on when that one is over, and has nothing of its task-local values.
        let task = Task.detached {
            try await transport.listen { stream, context in
                let call = calls.begin(context.cancellation)
                await table.answer(stream, context, through: gate)
                calls.end(call)
            }
        }
        serving.withLock { $0 = task }
        do {
            let address = try await transport.listeningAddress
            return address.ipv4?.port ?? address.ipv6?.port ?? port
        } catch {
            guard case .failure(let cause) = await task.result else { throw WeirTensor.Status(anyError: error) }
            throw WeirTensor.Status.unavailable("Cannot listen on \(host):\(port): \(GRPCListener.reason(cause))")
        }
    }

    /// Returns when the server has stopped.
    func wait() async { _ = await serving.withLock { $0 }?.result }

    /// Stops: drains, then closes.
    func shutDown(within grace: Duration = .seconds(5)) async {
        await drain(within: grace)
        await close()
    }

    /// Turns new work away. Steps that are under way have this long to end; then calls that still wait are cancelled.
    func drain(within grace: Duration) async {
        guard let task = serving.withLock({ $0 }) else { return }
        let isIdle = await gate.close(within: grace)
        transport.beginGracefulShutdown()
        if isIdle, await ends(task, within: .milliseconds(500)) { return }
        calls.cancel()
    }

    /// Closes the connections: of clients that keep their side open, and with calls that have not been answered half a
    /// second from now.
    func close() async {
        guard let task = serving.withLock({ $0 }), await !ends(task, within: .milliseconds(500)) else { return }
        // The task is not cancelled: the transport (2.9.2) would end the process for a call that came after that
        // (NIOAsyncWriter's check).
        connections.close()
        _ = await ends(task, within: .milliseconds(500))
    }

    private func ends(_ task: Task<Void, any Error>, within time: Duration) async -> Bool {
        await withCheckedContinuation { continuation in
            let first = Once<Bool> { result in continuation.resume(returning: (try? result.get()) ?? false) }
            let timer = Task.detached {
                try? await Task.sleep(for: time)
                first.finish(.success(false))
            }
            Task.detached {
                _ = await task.result
                first.finish(.success(true))
                timer.cancel()
            }
        }
    }

    /// What the system said, on one line.
    private static func reason(_ error: any Error) -> String {
        let cause = (error as? RuntimeError)?.cause ?? error
        let text = String(describing: cause).split(whereSeparator: \.isNewline).joined(separator: " ")
        return text.firstRange(of: "Address already in use") != nil ? "the address is already in use" : text
    }
}
