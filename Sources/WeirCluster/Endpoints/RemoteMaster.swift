import GRPCCore
import SwiftProtobuf
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

/// A master in another process, called over gRPC by a client's session.
///
/// Calls wait until the master can be reached. If the master disappears during a call, the call is retried with the same
/// request id, so that the master does not execute it twice.
final class RemoteMaster: MasterEndpoint {
    private let connection: GRPCConnection
    private let variants: VariantDecoders
    private let whileWaiting: @Sendable () -> Void

    /// - Parameter whileWaiting: called at the times of `ReportPauses` while a call waits until the master can be reached.
    init(
        connection: GRPCConnection, variants: VariantDecoders = .none,
        whileWaiting: @escaping @Sendable () -> Void = {}
    ) {
        self.connection = connection
        self.variants = variants
        self.whileWaiting = whileWaiting
    }

    /// Returns the master at `grpc://host:port` or `host:port`. All sessions of this process share its connection.
    static func shared(target: String) -> RemoteMaster {
        let address = target.firstRange(of: "://").map { String(target[$0.upperBound...]) } ?? target
        return RemoteMaster(connection: GRPCConnections.shared[address])
    }

    func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String {
        let message = try TFCreateSessionRequest(request)
        return try await RemoteCall.awaitResult(cancellation) {
            let reply: TFCreateSessionResponse = try await self.call(MasterMethod.createSession, message, timeout: request.timeout)
            return reply.sessionHandle
        }
    }

    func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int {
        var request = TFExtendSessionRequest()
        request.sessionHandle = handle
        request.graphDef = try TFGraphDef(graph)
        request.currentGraphVersion = Int64(version)
        let reply: TFExtendSessionResponse = try await call(MasterMethod.extendSession, request)
        return Int(reply.newGraphVersion)
    }

    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        RemoteCall.start(cancellation, done) {
            var message = try TFRunStepRequest(request)
            if message.requestID == 0 { message.requestID = .random(in: 1 ... .max) }
            let reply: TFRunStepResponse = try await self.call(
                MasterMethod.runStep, message, timeout: request.options.timeout)
            return try RunStepReply(reply, fetches: request.fetches, variants: self.variants)
        }
    }

    func setUpPartialRun(_ request: RunStep) async throws -> String {
        var message = TFPartialRunSetupRequest(request)
        if message.requestID == 0 { message.requestID = .random(in: 1 ... .max) }
        let reply: TFPartialRunSetupResponse = try await call(MasterMethod.partialRunSetup, message)
        return reply.partialRunHandle
    }

    func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int {
        var request = TFMakeCallableRequest()
        request.sessionHandle = handle
        request.options = TFCallableOptions(options)
        request.requestID = requestID == 0 ? .random(in: 1 ... .max) : Int64(requestID)
        let reply: TFMakeCallableResponse = try await call(MasterMethod.makeCallable, request)
        return Int(reply.handle)
    }

    func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>
    ) {
        RemoteCall.start(cancellation, done) {
            var request = TFRunCallableRequest()
            request.sessionHandle = handle
            request.handle = Int64(callable)
            for feed in feeds { request.feed.append(try TFTensorProto(feed, objects: .content)) }
            request.requestID = requestID == 0 ? .random(in: 1 ... .max) : Int64(requestID)
            let reply: TFRunCallableResponse = try await self.call(MasterMethod.runCallable, request)
            return try RunStepReply(reply, variants: self.variants)
        }
    }

    func releaseCallable(_ handle: String, callable: Int) async throws {
        var request = TFReleaseCallableRequest()
        request.sessionHandle = handle
        request.handle = Int64(callable)
        let _: TFReleaseCallableResponse = try await call(MasterMethod.releaseCallable, request)
    }

    func closeSession(_ handle: String) async throws {
        var request = TFCloseSessionRequest()
        request.sessionHandle = handle
        let _: TFCloseSessionResponse = try await call(MasterMethod.closeSession, request)
    }

    func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        try await listDevices(handle, timeout: nil)
    }

    /// As above, but waits for at most `timeout`; nil waits without a limit.
    /// - Throws: `deadlineExceeded` when the timeout passes.
    func listDevices(_ handle: String, timeout: Duration?) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        var request = TFListDevicesRequest()
        request.sessionHandle = handle
        let reply: TFListDevicesResponse = try await call(MasterMethod.listDevices, request, timeout: timeout)
        return (try DeviceAttributes.all(reply.localDevice), try DeviceAttributes.all(reply.remoteDevice))
    }

    func reset(containers: [String], deviceFilters: [String]) async throws {
        var request = TFResetRequest()
        request.container = containers
        request.deviceFilters = deviceFilters
        let _: TFResetResponse = try await call(MasterMethod.reset, request)
    }

    private func call<Request: SwiftProtobuf.Message, Reply: SwiftProtobuf.Message>(
        _ method: MethodDescriptor, _ request: Request, timeout: Duration? = nil
    ) async throws -> Reply {
        let deadline = timeout.map { ContinuousClock.now + $0 }
        var pause = connection.options.initialBackoff
        var attempts = 0
        while true {
            do {
                return try await connection.call(
                    method, request, ProtobufSerializer(), ProtobufDeserializer(), waitsForReady: true,
                    timeout: deadline.map { max($0 - .now, .zero) }, whileWaiting: whileWaiting)
            } catch {
                guard error.code == .unavailable, attempts < connection.options.retryCount else { throw error }
                attempts += 1
                if let deadline, .now + pause >= deadline {
                    throw WeirTensor.Status.deadlineExceeded("Deadline Exceeded")
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 1.6, connection.options.maximumBackoff)
            }
        }
    }
}
