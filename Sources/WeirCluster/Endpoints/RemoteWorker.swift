import GRPCCore
import SwiftProtobuf
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

/// The worker of another task, called over gRPC.
///
/// Calls fail at once with `unavailable` when the task cannot be reached, except `status`, which waits.
final class RemoteWorker: WorkerEndpoint {
    let task: DeviceName
    private let connection: GRPCConnection
    private let variants: VariantDecoders
    private let dispatch: StepDispatch
    private let whileWaiting: @Sendable () -> Void
    private let resets = ResetBudget()

    /// - Parameters:
    ///   - dispatch: where callbacks run, which may run kernels. The default is the thread of the gRPC task.
    ///   - whileWaiting: called at the times of `ReportPauses` while `status` waits.
    init(
        task: DeviceName, connection: GRPCConnection, variants: VariantDecoders = .none,
        dispatch: StepDispatch = .inline, whileWaiting: @escaping @Sendable () -> Void = {}
    ) {
        self.task = task
        self.connection = connection
        self.variants = variants
        self.dispatch = dispatch
        self.whileWaiting = whileWaiting
    }

    func status() async throws -> [DeviceAttributes] {
        let waitReports = Task.reporting(whileWaiting)
        defer { waitReports.cancel() }
        while true {
            do {
                let reply: TFGetStatusResponse = try await call(
                    WorkerMethod.getStatus, TFGetStatusRequest(), waitsForReady: true)
                return try DeviceAttributes.all(reply.deviceAttributes)
            } catch let status as WeirTensor.Status where status.code == .unavailable {
                // Something else listens at the address, or the server is starting or stopping.
                try await Task.sleep(for: connection.options.initialBackoff)
            }
        }
    }

    func createSession(_ request: CreateWorkerSession) async throws {
        let _: TFCreateWorkerSessionResponse = try await call(
            WorkerMethod.createWorkerSession, TFCreateWorkerSessionRequest(request))
    }

    func deleteSession(_ handle: String) async throws {
        var request = TFDeleteWorkerSessionRequest()
        request.sessionHandle = handle
        let _: TFDeleteWorkerSessionResponse = try await call(WorkerMethod.deleteWorkerSession, request)
    }

    func registerGraph(_ request: RegisterGraph) async throws -> String {
        let reply: TFRegisterGraphResponse = try await call(
            WorkerMethod.registerGraph, TFRegisterGraphRequest(request))
        return reply.graphHandle
    }

    func deregisterGraph(_ handle: String, session: String) async throws {
        var request = TFDeregisterGraphRequest()
        request.graphHandle = handle
        request.sessionHandle = session
        request.createWorkerSessionCalled = !session.isEmpty
        let _: TFDeregisterGraphResponse = try await call(WorkerMethod.deregisterGraph, request)
    }

    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        var request = request
        if request.requestID == 0 { request.requestID = .random(in: 1 ... .max) }
        let (task, begin) = (task, ContinuousClock.now)
        RemoteCall.start(
            cancellation, cancelled: { .cancelled("RunGraph", at: task, after: .now - begin) }, dispatched(done)
        ) { [request] in
            let reply: TFRunGraphResponse = try await self.call(WorkerMethod.runGraph, TFRunGraphRequest(request))
            do throws(WeirTensor.Status) {
                return try RunGraphReply(reply, variants: self.variants)
            } catch {
                // The response body cannot say that a status is derived. TensorFlow's workers report a cancelled
                // partition there with CANCELLED.
                throw error.code == .cancelled ? error.derived : error
            }
        }
    }

    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        var request = request
        if request.requestID == 0 { request.requestID = .random(in: 1 ... .max) }
        let (resets, task, begin) = (resets, task, ContinuousClock.now)
        RemoteCall.start(
            cancellation, leavesRunning: { !resets.take() }, cancelled: { .cancelled("RecvTensor", at: task, after: .now - begin) },
            dispatched(done)
        ) { [request] in
            let received = try await self.call(
                WorkerMethod.recvTensor, TFRecvTensorRequest(request), ProtobufSerializer(),
                TensorDeserializer(variants: self.variants))
            if received.requiresAcknowledgement { self.acknowledge(request.requestID) }
            return RendezvousItem(received.tensor, isDead: received.isDead)
        }
    }

    /// Tells a peer that keeps its replies that one has arrived. Does not wait for an answer.
    func acknowledge(_ requestID: Int) {
        Task.detached {
            var request = TFMarkRecvFinishedRequest()
            request.requestID = Int64(requestID)
            let _: TFMarkRecvFinishedResponse? = try? await self.call(WorkerMethod.markRecvFinished, request)
        }
    }

    func cleanUpGraph(step: Int) async throws {
        var request = TFCleanupGraphRequest()
        request.stepID = Int64(step)
        let _: TFCleanupGraphResponse = try await call(WorkerMethod.cleanupGraph, request)
    }

    func cleanUpAll(containers: [String]) async throws {
        var request = TFCleanupAllRequest()
        request.container = containers
        let _: TFCleanupAllResponse = try await call(WorkerMethod.cleanupAll, request)
    }

    func logging(enabled: Bool, fetching steps: [Int]) async throws {
        var request = TFLoggingRequest()
        request.enableRpcLogging = enabled
        request.disableRpcLogging = !enabled && steps.isEmpty
        request.fetchStepID = steps.map { Int64($0) }
        let _: TFLoggingResponse = try await call(WorkerMethod.logging, request)
    }

    func dispatched<T: Sendable>(_ done: @escaping Completion<T>) -> Completion<T> {
        let dispatch = dispatch
        return { result in dispatch { done(result) } }
    }

    func call<Request: SwiftProtobuf.Message, Reply: SwiftProtobuf.Message>(
        _ method: MethodDescriptor, _ request: Request, waitsForReady: Bool = false
    ) async throws -> Reply {
        try await call(
            method, request, ProtobufSerializer(), ProtobufDeserializer(), waitsForReady: waitsForReady)
    }

    /// Calls the task, and adds to failures where they come from, in TensorFlow's words.
    func call<Request: Sendable, Reply: Sendable>(
        _ method: MethodDescriptor, _ request: Request, _ serializer: some MessageSerializer<Request>,
        _ deserializer: some MessageDeserializer<Reply>, waitsForReady: Bool = false
    ) async throws(WeirTensor.Status) -> Reply {
        do {
            return try await connection.call(
                method, request, serializer, deserializer, waitsForReady: waitsForReady)
        } catch {
            var error = error
            // A message that already names a lost task is passed on unchanged.
            if error.code == .unavailable, error.message.firstRange(of: "Task /job:") == nil {
                error.message = "Task \(task) has ended or cannot be reached: \(error.message)"
            }
            let explained = error.appending(
                "\nAdditional GRPC error information from remote target \(task) while calling "
                    + "/\(method.fullyQualifiedMethod):\n:\(connection.address) answered \(error.code)")
            // A call is cancelled only because something else has failed.
            throw error.code == .cancelled ? explained.derived : explained
        }
    }
}
