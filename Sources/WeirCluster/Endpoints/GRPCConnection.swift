import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import WeirTensor

/// The way to another task: HTTP/2 connections, made when they are first needed and made anew when they break.
///
/// Any number of calls may be under way. One connection does for `TransportOptions.callsPerConnection` of them; more
/// wait for tensors only in steps with many. Any thread.
final class GRPCConnection: Sendable {
    typealias Transport = GRPCTransportPool.Transport

    let address: String
    let options: TransportOptions
    private let pool: GRPCTransportPool
    /// Whether the last call got through to the peer.
    private let isReached = Atomic<Bool>(false)

    /// - Parameter address: `host:port`.
    init(address: String, options: TransportOptions = TransportOptions()) {
        self.address = address
        self.options = options
        pool = GRPCTransportPool(address: address, options: options)
    }

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
        let watch = whileWaiting.flatMap { isReached.load(ordering: .relaxed) ? nil : Task.repeating(every: .seconds(1), $0) }
        defer { watch?.cancel() }
        var isConnected = false
        let bytes: Transport.Bytes
        do { bytes = try serializer.serialize(request) } catch { throw WeirTensor.Status(anyError: error) }
        do {
            let (transport, index) = try pool.acquire()
            defer { pool.release(index) }
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

    /// Ends it: calls under way fail with `unavailable`, later ones with `cancelled`. Returns when it is closed.
    func close() async { await pool.close() }
}
