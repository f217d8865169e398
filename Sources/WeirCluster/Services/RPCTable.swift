import GRPCCore
import GRPCNIOTransportHTTP2Posix
import SwiftProtobuf
import WeirGraph
import WeirTensor

/// What a server answers: its methods by path.
///
/// The stock router of grpc-swift writes an answer's metadata, message and status one after the other. A large message
/// makes its stream wait for room before the status is written, and the transport (2.9.2) holds a unary answer back until
/// it has the status: on a connection that is busy with another large answer, both wait for ever. Here an answer is one
/// write, which is also two thread hops less.
struct RPCTable: Sendable {
    typealias Transport = HTTP2ServerTransport.Posix
    typealias Stream = RPCStream<Transport.Inbound, Transport.Outbound>
    typealias Handler = @Sendable (Transport.Bytes) async throws -> Transport.Bytes

    private var handlers: [String: Handler] = [:]

    init(_ services: [any RPCService] = []) { for service in services { service.register(with: &self) } }

    /// Registers a method that takes one message and answers with one.
    mutating func unary<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ deserializer: some MessageDeserializer<Request>,
        _ serializer: some MessageSerializer<Reply>, _ body: @escaping @Sendable (Request) async throws -> Reply
    ) {
        handlers[method.fullyQualifiedMethod] = { bytes in
            try serializer.serialize(try await body(try deserializer.deserialize(bytes)))
        }
    }

    /// As above, of protobuf messages.
    mutating func unary<Request: SwiftProtobuf.Message, Reply: SwiftProtobuf.Message>(
        _ method: MethodDescriptor, _ body: @escaping @Sendable (Request) async throws -> Reply
    ) {
        unary(method, ProtobufDeserializer<Request>(), ProtobufSerializer<Reply>(), body)
    }

    /// Answers one call.
    func answer(_ stream: Stream, _ context: ServerContext, through gate: DrainGate) async {
        do {
            let reply = try await reply(stream.inbound, context, gate)
            try? await stream.outbound.write(contentsOf: [.metadata([:]), .message(reply), .status(GRPCCore.Status(code: .ok, message: ""), [:])])
        } catch {
            let failure = error as? RPCError ?? RPCError(WeirTensor.Status(anyError: error))
            let status = GRPCCore.Status(code: GRPCCore.Status.Code(failure.code), message: failure.message)
            // The client may have gone; then nobody is told.
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

/// A set of methods.
protocol RPCService: Sendable {
    func register(with table: inout RPCTable)
}

/// When a call's client stops waiting for it.
///
/// A call whose deadline has passed says that, and what it waited for, however its cancellation made it end: client and
/// server count the time apart, and either may be the first to find it over.
struct CallDeadline {
    /// How long before its deadline a call is cancelled, so that the client hears what was waited for. A step ends itself
    /// earlier, and has half of its own margin to say so.
    static func margin(_ timeout: Duration) -> Duration { StepDeadline.margin(timeout) / 4 }

    /// As the client says it; nil when there is none.
    let timeout: Duration?
    private let start = ContinuousClock.now
    /// The transport begins to count before the call gets here.
    private static let headStart = Duration.milliseconds(100)

    init(_ metadata: Metadata) {
        timeout = metadata[stringValues: "grpc-timeout"].first { _ in true }.flatMap(CallDeadline.duration)
    }

    /// - Parameter error: what the call ended with.
    /// - Throws: `deadlineExceeded` when its time is over.
    func check(_ context: ServerContext, _ error: (any Error)? = nil) throws(RPCError) {
        guard context.cancellation.isCancelled, let timeout,
            ContinuousClock.now - start + CallDeadline.headStart + CallDeadline.margin(timeout) >= timeout
        else { return }
        let waited = (error as? WeirTensor.Status).flatMap { $0.code == .unavailable ? ": \($0.message)" : nil } ?? ""
        throw RPCError(code: .deadlineExceeded, message: "Deadline Exceeded\(waited)")
    }

    /// What a `grpc-timeout` says: up to eight digits and a unit. Anything else is no deadline, as TensorFlow's servers
    /// take it; one of more than `Duration.longestWait` is as good as none.
    static func duration(_ text: String) -> Duration? {
        let digits = text.utf8.dropLast()
        guard (1...8).contains(digits.count), digits.allSatisfy({ (48...57).contains($0) }), let count = Int64(text.dropLast()) else {
            return nil
        }
        let duration: Duration
        switch text.last {
        case "H": duration = .seconds(count * 3600)
        case "M": duration = .seconds(count * 60)
        case "S": duration = .seconds(count)
        case "m": duration = .milliseconds(count)
        case "u": duration = .microseconds(count)
        case "n": duration = .nanoseconds(count)
        default: return nil
        }
        return duration.bounded
    }
}

/// Where the work of a step begins: on the thread that asks for it, or on one made for work.
///
/// An endpoint may run kernels on the thread that calls it, for as long as they take; the threads that gRPC's tasks run
/// on are few, and every call waits for them.
typealias StepDispatch = @Sendable (_ start: @escaping @Sendable () -> Void) -> Void

/// Waits for what an endpoint calls back with. The cancellation fires when the caller goes away or its deadline passes,
/// and when this server stops; the endpoint must call back then too.
func answer<T: Sendable>(
    on dispatch: StepDispatch, _ start: @escaping @Sendable (Cancellation, @escaping Completion<T>) -> Void
) async throws -> T {
    let cancellation = Cancellation()
    return try await whileWanted(or: cancellation) {
        try await withCheckedThrowingContinuation { continuation in
            dispatch { start(cancellation) { continuation.resume(with: $0) } }
        }
    }
}

/// As above, for an endpoint's async function: its task is cancelled as well.
func answer<T: Sendable>(_ body: @escaping @Sendable (Cancellation) async throws -> T) async throws -> T {
    let cancellation = Cancellation()
    let task = Task { try await body(cancellation) }
    let token = cancellation.register { task.cancel() }
    defer { if let token { cancellation.deregister(token) } }
    return try await whileWanted(or: cancellation) { try await task.value }
}

private func whileWanted<T: Sendable>(or cancellation: Cancellation, _ body: () async throws -> T) async throws -> T {
    try await withTaskCancellationHandler {
        try await withRPCCancellationHandler { () async throws -> T in
            try await body()
        } onCancelRPC: {
            cancellation.cancel()
        }
    } onCancel: {
        cancellation.cancel()
    }
}
