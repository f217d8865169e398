import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf
import WeirTensor

/// The methods of a gRPC server, by path.
///
/// It replaces grpc-swift's router, which writes a reply's metadata, message and status one after the other. The transport
/// (2.9.2) holds back a unary reply until it has the status, but the status waits until the stream has room after a large
/// message. If another large reply fills the connection, both wait forever. Here a reply is one write, which also saves two
/// thread hops.
struct RPCTable: Sendable {
    typealias Transport = HTTP2ServerTransport.Posix
    typealias Stream = RPCStream<Transport.Inbound, Transport.Outbound>
    typealias Handler = @Sendable (Transport.Bytes) async throws -> Transport.Bytes

    private var handlers: [String: Handler] = [:]

    init(_ services: [any RPCService] = []) { for service in services { service.register(with: &self) } }

    /// Registers a unary method with its own coding.
    mutating func unary<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ deserializer: some MessageDeserializer<Request>,
        _ serializer: some MessageSerializer<Reply>, _ body: @escaping @Sendable (Request) async throws -> Reply
    ) {
        handlers[method.fullyQualifiedMethod] = { bytes in
            try serializer.serialize(try await body(try deserializer.deserialize(bytes)))
        }
    }

    /// Registers a unary method of protobuf messages.
    mutating func unary<Request: SwiftProtobuf.Message, Reply: SwiftProtobuf.Message>(
        _ method: MethodDescriptor, _ body: @escaping @Sendable (Request) async throws -> Reply
    ) {
        unary(method, ProtobufDeserializer<Request>(), ProtobufSerializer<Reply>(), body)
    }

    /// Runs one call: reads the request, runs the method and writes the reply.
    func handle(_ stream: Stream, _ context: ServerContext, through gate: DrainGate) async {
        do {
            let reply = try await reply(stream.inbound, context, gate)
            try? await stream.outbound.write(contentsOf: [.metadata([:]), .message(reply), .status(GRPCCore.Status(code: .ok, message: ""), [:])])
        } catch {
            let failure = error as? RPCError ?? RPCError(WeirTensor.Status(anyError: error))
            let status = GRPCCore.Status(code: GRPCCore.Status.Code(failure.code), message: failure.message)
            // If the client is gone, the write fails and nothing remains to do.
            try? await stream.outbound.write(.status(status, failure.metadata))
        }
        await stream.outbound.finish()
    }

    private func reply(_ inbound: Transport.Inbound, _ context: ServerContext, _ gate: DrainGate) async throws -> Transport.Bytes {
        let method = context.descriptor.fullyQualifiedMethod
        guard let handler = handlers[method] else {
            throw RPCError(code: .unimplemented, message: "The requested method '\(method)' is not implemented")
        }
        var (metadata, request): (Metadata?, Transport.Bytes?)
        for try await part in inbound {
            switch part {
            case .metadata(let received): metadata = received
            case .message(let bytes):
                guard request == nil else { throw RPCError(code: .internalError, message: "\(method) takes one message") }
                request = bytes
            }
            if request != nil { break }
        }
        guard let request else { throw RPCError(code: .internalError, message: "\(method) takes one message, found none") }
        try gate.enter(method)
        defer { gate.leave(method) }
        let deadline = CallDeadline(metadata ?? [:])
        let timer = deadline.timeout.map { timeout in
            Task.detached {
                do { try await Task.sleep(for: timeout - CallDeadline.margin(timeout)) } catch { return }
                context.cancellation.cancel()
            }
        }
        defer { timer?.cancel() }
        do {
            let reply = try await handler(request)
            try deadline.check(context)
            return reply
        } catch {
            try deadline.check(context, error)
            throw error
        }
    }
}
