import GRPCCore
import GRPCNIOTransportHTTP2Posix
import protocol NIOCore.Channel
import Synchronization
import WeirTensor

/// A gRPC server that serves a task's services on one port.
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
    ///   - host: the address to listen on: an IP address or `localhost`. The default is all interfaces, as in TensorFlow.
    ///   - port: the port; with 0 the system chooses a free one.
    ///   - gate: decides which calls are accepted and waits for steps when the server stops.
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

    /// Starts listening. Call it once.
    /// - Returns: the port.
    /// - Throws: `unavailable` when the system refuses to listen, for instance because the port is in use.
    func start() async throws -> Int {
        let (transport, table, gate, calls) = (transport, table, gate, calls)
        // A detached task, because it outlives the caller's task and must not inherit its task-local values.
        let task = Task.detached {
            try await transport.listen { stream, context in
                let call = calls.begin(context.cancellation)
                await table.handle(stream, context, through: gate)
                calls.end(call)
            }
        }
        serving.withLock { $0 = task }
        do {
            let address = try await transport.listeningAddress
            return address.ipv4?.port ?? address.ipv6?.port ?? port
        } catch {
            guard case .failure(let cause) = await task.result else { throw WeirTensor.Status(anyError: error) }
            throw WeirTensor.Status.unavailable("Cannot listen on \(host):\(port): \(GRPCListener.describe(cause))")
        }
    }

    /// Waits until the server has stopped.
    func wait() async { _ = await serving.withLock { $0 }?.result }

    /// Drains, then closes.
    func shutDown(within grace: Duration = .seconds(5)) async {
        await drain(within: grace)
        await close()
    }

    /// Rejects new work and waits up to `grace` for running steps. Then it cancels the calls in flight.
    func drain(within grace: Duration) async {
        guard let task = serving.withLock({ $0 }) else { return }
        let isIdle = await gate.close(within: grace)
        transport.beginGracefulShutdown()
        if isIdle, await finishes(task, within: .milliseconds(500)) { return }
        calls.cancel()
    }

    /// Closes all connections after at most half a second: those that clients keep open, and those with calls in flight.
    func close() async {
        guard let task = serving.withLock({ $0 }), await !finishes(task, within: .milliseconds(500)) else { return }
        // The task is not cancelled: after that, the transport (2.9.2) would end the process when another call arrives
        // (a precondition of NIOAsyncWriter).
        connections.close()
        _ = await finishes(task, within: .milliseconds(500))
    }

    private func finishes(_ task: Task<Void, any Error>, within time: Duration) async -> Bool {
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

    /// Returns the system's explanation of the error on one line.
    private static func describe(_ error: any Error) -> String {
        let cause = (error as? RuntimeError)?.cause ?? error
        let text = String(describing: cause).split(whereSeparator: \.isNewline).joined(separator: " ")
        return text.firstRange(of: "Address already in use") != nil ? "the address is already in use" : text
    }
}
