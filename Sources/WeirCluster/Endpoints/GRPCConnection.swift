import GRPCCore
import GRPCNIOTransportHTTP2Posix
import Synchronization
import WeirTensor

/// The client side of gRPC to another task. Connections open when first needed and reconnect when they break.
///
/// Any thread may call, and any number of calls may be in flight. One HTTP/2 connection carries
/// `TransportOptions.callsPerConnection` of them; only steps that wait for many tensors need more connections.
final class GRPCConnection: Sendable {
    typealias Transport = GRPCTransportPool.Transport

    let address: String
    let options: TransportOptions
    private let pool: GRPCTransportPool
    /// Whether the last call reached the peer.
    private let isPeerReached = Atomic<Bool>(false)

    /// - Parameter address: `host:port`.
    init(address: String, options: TransportOptions = TransportOptions()) {
        self.address = address
        self.options = options
        pool = GRPCTransportPool(address: address, options: options)
    }

    /// Makes one unary call. Cancelling the task also cancels the call at the peer.
    ///
    /// - Parameters:
    ///   - waitsForReady: whether to wait for a peer that cannot be reached; otherwise the call fails at once.
    ///   - timeout: the deadline, which is also sent to the peer.
    ///   - whileWaiting: called at the times of `ReportPauses` while there is no connection.
    /// - Throws: the peer's status; `unavailable` when there is no connection or it breaks; `cancelled` when the task is
    ///   cancelled (then derived) or the connection is closed; `deadlineExceeded`; `internalError` when the reply is malformed.
    func call<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ request: Request, _ serializer: some MessageSerializer<Request>,
        _ deserializer: some MessageDeserializer<Reply>, waitsForReady: Bool = false, timeout: Duration? = nil,
        whileWaiting: (@Sendable () -> Void)? = nil
    ) async throws(WeirTensor.Status) -> Reply {
        guard let timeout else {
            return try await performUnary(method, request, serializer, deserializer, waitsForReady, [:], whileWaiting)
        }
        // `grpc-timeout` has at most eight digits. A longer timeout is as good as none.
        var metadata = Metadata()
        metadata.addString("\(min(max(timeout.milliseconds, 1), 99_999_999))m", forKey: "grpc-timeout")
        let result = await withTaskGroup(of: Result<Reply, WeirTensor.Status>.self) { [metadata] group in
            group.addTask {
                do throws(WeirTensor.Status) {
                    return .success(
                        try await self.performUnary(
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

    private func performUnary<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ request: Request, _ serializer: some MessageSerializer<Request>,
        _ deserializer: some MessageDeserializer<Reply>, _ waitsForReady: Bool, _ metadata: Metadata,
        _ whileWaiting: (@Sendable () -> Void)?
    ) async throws(WeirTensor.Status) -> Reply {
        let waitReports = whileWaiting.flatMap { isPeerReached.load(ordering: .relaxed) ? nil : Task.reporting($0) }
        defer { waitReports?.cancel() }
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
                isPeerReached.store(true, ordering: .relaxed)
                waitReports?.cancel()
                return try await exchange(stream, metadata, bytes, deserializer)
            }
            return try outcome.get()
        } catch {
            let status = WeirTensor.Status(anyError: error)
            if Task.isCancelled { throw .cancelled(status.message).derived }
            if status.code == .unavailable { isPeerReached.store(false, ordering: .relaxed) }
            guard !isConnected, !(error is WeirTensor.Status) else { throw status }
            isPeerReached.store(false, ordering: .relaxed)
            throw .unavailable("Cannot reach \(address): \(status.message)")
        }
    }

    /// Sends the request and reads the reply. All parts of the request are one write.
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

    /// Closes the connection: calls in flight fail with `unavailable`, later ones with `cancelled`. Returns when it is closed.
    func close() async { await pool.close() }
}
