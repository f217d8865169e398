import Glibc
import GRPCCore
import WeirGraph
import WeirProto
import WeirTensor
import WeirWire

/// The gRPC service `tensorflow.WorkerService`. It decodes requests, calls a `WorkerEndpoint` and encodes its replies.
struct WorkerService: RPCService {
    let worker: any WorkerEndpoint
    var variants = VariantDecoders.none
    /// Where steps begin. The default is the thread of the call.
    var dispatch = StepDispatch.inline

    func register(with table: inout RPCTable) {
        table.unary(WorkerMethod.getStatus, getStatus)
        table.unary(WorkerMethod.createWorkerSession, createWorkerSession)
        table.unary(WorkerMethod.deleteWorkerSession, deleteWorkerSession)
        table.unary(WorkerMethod.registerGraph, registerGraph)
        table.unary(WorkerMethod.deregisterGraph, deregisterGraph)
        table.unary(WorkerMethod.runGraph, runGraph)
        table.unary(WorkerMethod.cleanupGraph, cleanupGraph)
        table.unary(WorkerMethod.cleanupAll, cleanupAll)
        table.unary(
            WorkerMethod.recvTensor, ProtobufDeserializer<TFRecvTensorRequest>(), TensorSerializer(), receiveTensor)
        table.unary(WorkerMethod.logging, logging)
        table.unary(WorkerMethod.markRecvFinished) { (_: TFMarkRecvFinishedRequest) in TFMarkRecvFinishedResponse() }
        registerCollectives(with: &table)
        registerUnimplemented(with: &table)
    }

    private func registerUnimplemented(with table: inout RPCTable) {
        table.unary(WorkerMethod.tracing) { (_: TFTracingRequest) async throws -> TFTracingResponse in
            throw WeirTensor.Status.unimplemented(
                "Tracing is not implemented; ask for step statistics with RunOptions.FULL_TRACE")
        }
    }

    private func getStatus(_ message: TFGetStatusRequest) async throws -> TFGetStatusResponse {
        var reply = TFGetStatusResponse()
        reply.deviceAttributes = try await worker.status().map { TFDeviceAttributes($0) }
        return reply
    }

    private func createWorkerSession(
        _ message: TFCreateWorkerSessionRequest
    ) async throws -> TFCreateWorkerSessionResponse {
        try await worker.createSession(CreateWorkerSession(message))
        return TFCreateWorkerSessionResponse()
    }

    private func deleteWorkerSession(
        _ message: TFDeleteWorkerSessionRequest
    ) async throws -> TFDeleteWorkerSessionResponse {
        try await worker.deleteSession(message.sessionHandle)
        return TFDeleteWorkerSessionResponse()
    }

    private func registerGraph(_ message: TFRegisterGraphRequest) async throws -> TFRegisterGraphResponse {
        var reply = TFRegisterGraphResponse()
        reply.graphHandle = try await worker.registerGraph(RegisterGraph(message, variants: variants))
        return reply
    }

    private func deregisterGraph(_ message: TFDeregisterGraphRequest) async throws -> TFDeregisterGraphResponse {
        // If the master created no worker session, its graph is in the session that all such masters share.
        let session = message.createWorkerSessionCalled ? message.sessionHandle : ""
        try await worker.deregisterGraph(message.graphHandle, session: session)
        return TFDeregisterGraphResponse()
    }

    private func runGraph(_ message: TFRunGraphRequest) async throws -> TFRunGraphResponse {
        do {
            let request = try RunGraph(message, variants: variants)
            try worker.admit(request)
            return try TFRunGraphResponse(
                try await awaitCompletion(on: dispatch) { worker.runGraph(request, cancellation: $0, $1) })
        } catch  where message.storeErrorsInResponseBody {
            let status = WeirTensor.Status(anyError: error)
            // The response body cannot say that a status is derived, so a derived status is the status of the call.
            guard !status.isDerived else { throw status }
            return TFRunGraphResponse(failure: status)
        }
    }

    private func cleanupGraph(_ message: TFCleanupGraphRequest) async throws -> TFCleanupGraphResponse {
        try await worker.cleanUpGraph(step: Int(message.stepID))
        return TFCleanupGraphResponse()
    }

    private func cleanupAll(_ message: TFCleanupAllRequest) async throws -> TFCleanupAllResponse {
        try await worker.cleanUpAll(containers: message.container)
        return TFCleanupAllResponse()
    }

    private func receiveTensor(_ message: TFRecvTensorRequest) async throws -> EncodedTensor {
        let request = ReceiveTensor(message)
        // RecvTensor runs no kernel, so it needs no other thread.
        let delivery: RendezvousItem = try await awaitCompletion(on: .inline) { worker.receiveTensor(request, cancellation: $0, $1) }
        return try ReceiveTensorCoder.encode(
            delivery.tensor, isDead: delivery.isDead, sendStartMicros: WorkerService.microsecondsSince1970())
    }

    private func logging(_ message: TFLoggingRequest) async throws -> TFLoggingResponse {
        try await worker.logging(enabled: message.enableRpcLogging, fetching: message.fetchStepID.map { Int($0) })
        return TFLoggingResponse()
    }

    static func microsecondsSince1970() -> Int {
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        return Int(time.tv_sec) * 1_000_000 + Int(time.tv_nsec) / 1000
    }
}
