import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import WeirTensor

/// The way to another task: HTTP/2 connections, made when they are first needed and made anew when they break.
///
/// Any number of calls may be under way. One connection does for `TransportOptions.callsPerConnection` of them; more
/// wait for tensors only in steps with many. Any thread.
final class GRPCConnection: Sendable {
    typealias Transport = HTTP2ClientTransport.Posix

    let address: String
    let options: TransportOptions
    /// One HTTP/2 connection.
    private struct Lane {
        let transport: Transport
        let running: Task<Void, Never>
        var callCount = 0
    }
    private struct State {
        /// Only ever added to, so that a lane keeps its place.
        var lanes: [Lane] = []
        var isClosed = false
    }
    private let state = Mutex(State())
    /// Whether the last call got through to the peer.
    private let isReached = Atomic<Bool>(false)

    /// - Parameter address: `host:port`.
    init(address: String, options: TransportOptions = TransportOptions()) {
        self.address = address
        self.options = options
    }

    deinit { shutDown() }

    /// Makes one call. Suspends; cancelling the task cancels the call, also at the peer.
    ///
    /// - Parameters:
    ///   - waitsForReady: whether a peer that is not there is waited for; else the call fails at once.
    ///   - timeout: the deadline, which the peer is told.
    ///   - whileWaiting: called every second for as long as there is no connection.
    /// - Throws: the peer's status; `unavailable` when there is no connection, or it broke; `cancelled` when the task
    ///   was cancelled (then derived) or the connection closed; `deadlineExceeded`; `internalError` when the answer
    ///   cannot be read.
    func call<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ request: Request, _ serializer: some MessageSerializer<Request>,
        _ deserializer: some MessageDeserializer<Reply>, waitsForReady: Bool = false, timeout: Duration? = nil,
        whileWaiting: (@Sendable () -> Void)? = nil
    ) async throws(WeirTensor.Status) -> Reply {
        guard let timeout else {
            return try await send(method, request, serializer, deserializer, waitsForReady, [:], whileWaiting)
        }
        // Timeouts longer than this cannot be written in eight digits of milliseconds, and are as good as none.
        var metadata = Metadata()
        metadata.addString("\(min(max(timeout.milliseconds, 1), 99_999_999))m", forKey: "grpc-timeout")
        let result = await withTaskGroup(of: Result<Reply, WeirTensor.Status>.self) { [metadata] group in
            group.addTask {
                do throws(WeirTensor.Status) {
                    return .success(
                        try await self.send(
                            method, request, serializer, deserializer, waitsForReady, metadata, whileWaiting))
                } catch {
                    return .failure(error)
                }
            }
            group.addTask {
                do {
                    try await Task.sleep(for: timeout.bounded)
                    return .failure(.deadlineExceeded("Deadline Exceeded"))
                } catch {
                    return .failure(.cancelled("The call was cancelled").derived)
                }
            }
            defer { group.cancelAll() }
            return await group.next() ?? .failure(.internalError("a call ended without a result"))
        }
        return try result.get()
    }

    private func send<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ request: Request, _ serializer: some MessageSerializer<Request>,
        _ deserializer: some MessageDeserializer<Reply>, _ waitsForReady: Bool, _ metadata: Metadata,
        _ whileWaiting: (@Sendable () -> Void)?
    ) async throws(WeirTensor.Status) -> Reply {
        let watch = whileWaiting.flatMap { isReached.load(ordering: .relaxed) ? nil : every(.seconds(1), $0) }
        defer { watch?.cancel() }
        var isConnected = false
        let bytes: Transport.Bytes
        do { bytes = try serializer.serialize(request) } catch { throw WeirTensor.Status(anyError: error) }
        do {
            let (transport, lane) = try enter()
            defer { leave(lane) }
            let outcome = try await transport.withStream(
                descriptor: method, options: options.call(waitsForReady: waitsForReady)
            ) { stream, _ in
                isConnected = true
                isReached.store(true, ordering: .relaxed)
                watch?.cancel()
                return try await exchange(stream, metadata, bytes, deserializer)
            }
            return try outcome.get()
        } catch {
            let status = WeirTensor.Status(anyError: error)
            if Task.isCancelled { throw .cancelled(status.message).derived }
            if status.code == .unavailable { isReached.store(false, ordering: .relaxed) }
            guard !isConnected, !(error is WeirTensor.Status) else { throw status }
            isReached.store(false, ordering: .relaxed)
            throw .unavailable("Cannot reach \(address): \(status.message)")
        }
    }

    /// One message there and one back. Everything is written at once, by the task that then waits for the answer.
    private func exchange<Reply: Sendable>(
        _ stream: RPCStream<Transport.Inbound, Transport.Outbound>, _ metadata: Metadata, _ bytes: Transport.Bytes,
        _ deserializer: some MessageDeserializer<Reply>
    ) async throws -> Result<Reply, WeirTensor.Status> {
        var failure: (any Error)?
        do {
            try await stream.outbound.write(contentsOf: [.metadata(metadata), .message(bytes)])
        } catch {
            failure = error  // The peer may have ended the call already: then its status says why.
        }
        await stream.outbound.finish()
        var reply: Result<Reply, WeirTensor.Status>?
        for try await part in stream.inbound {
            switch part {
            case .metadata: continue
            case .message(let bytes):
                do {
                    reply = .success(try deserializer.deserialize(bytes))
                } catch {
                    let status = WeirTensor.Status(anyError: error)
                    reply = .failure(.internalError("could not parse rpc response: \(status.message)"))
                }
            case .status(let status, let trailers):
                if let failed = WeirTensor.Status(status, trailers) { return .failure(failed) }
                return reply ?? .failure(.internalError("\(address) answered a call without a message"))
            }
        }
        try Task.checkCancellation()
        throw failure ?? WeirTensor.Status.unavailable("The connection to \(address) broke")
    }

    /// Takes a place on the first connection that has one.
    private func enter() throws -> (Transport, lane: Int) {
        try state.withLock { state in
            guard !state.isClosed else {
                throw WeirTensor.Status.cancelled("The connection to \(address) was closed")
            }
            let index =
                state.lanes.firstIndex { $0.callCount < options.callsPerConnection } ?? state.lanes.count
            if index == state.lanes.count {
                let transport = try Transport(
                    target: target(address), transportSecurity: .plaintext, config: options.client)
                let running = Task.detached { _ = try? await transport.connect() }
                state.lanes.append(Lane(transport: transport, running: running))
            }
            state.lanes[index].callCount += 1
            return (state.lanes[index].transport, index)
        }
    }

    private func leave(_ lane: Int) {
        state.withLock { if !$0.isClosed { $0.lanes[lane].callCount -= 1 } }
    }

    /// Ends it: calls under way fail with `unavailable`, later ones with `cancelled`. Returns when it is closed.
    func close() async {
        for lane in shutDown() { await lane.running.value }
    }

    @discardableResult private func shutDown() -> [Lane] {
        let lanes = state.withLock { state -> [Lane] in
            defer { state = State(isClosed: true) }
            return state.lanes
        }
        for lane in lanes {
            lane.transport.beginGracefulShutdown()
            lane.running.cancel()
        }
        return lanes
    }
}

/// Calls back again and again, until it is cancelled.
package func every(_ interval: Duration, _ body: @escaping @Sendable () -> Void) -> Task<Void, Never> {
    Task.detached {
        while (try? await Task.sleep(for: interval)) != nil { body() }
    }
}

/// - Throws: `invalidArgument` when the text is no address.
private func target(_ address: String) throws -> any ResolvableTarget {
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
