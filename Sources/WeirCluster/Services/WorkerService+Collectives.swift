import GRPCCore
import WeirGraph
import WeirProto
import WeirRuntime
import WeirTensor
import WeirWire

/// TensorFlow's RPCs of collective operations.
extension WorkerService {
    func registerCollectives(with table: inout RPCTable) {
        table.unary(WorkerMethod.completeGroup, completeGroup)
        table.unary(WorkerMethod.completeInstance, completeInstance)
        table.unary(WorkerMethod.getStepSequence, getStepSequence)
        table.unary(WorkerMethod.recvBuf, ProtobufDeserializer<TFRecvBufRequest>(), BufferSerializer(), receiveBuffer)
    }

    // None of these runs a kernel here, so they need no other thread.

    private func completeGroup(_ message: TFCompleteGroupRequest) async throws -> TFCompleteGroupResponse {
        let request = try CompleteGroup(message)
        return TFCompleteGroupResponse(
            try await awaitCompletion(on: .inline) { worker.completeGroup(request, cancellation: $0, $1) })
    }

    private func completeInstance(_ message: TFCompleteInstanceRequest) async throws -> TFCompleteInstanceResponse {
        let request = try CompleteInstance(message)
        var reply = TFCompleteInstanceResponse()
        reply.instanceKey = message.instanceKey
        let rank: Int = try await awaitCompletion(on: .inline) { worker.completeInstance(request, cancellation: $0, $1) }
        reply.sourceRank = Int32(clamping: rank)
        return reply
    }

    private func getStepSequence(_ message: TFGetStepSequenceRequest) async throws -> TFGetStepSequenceResponse {
        let keys = message.graphKey.map { Int($0) }
        let sequence = try await worker.stepSequence(keys)
        var reply = TFGetStepSequenceResponse()
        reply.stepSequence = keys.compactMap { key in
            sequence[key].map { next in
                var step = TFStepSequence()
                step.graphKey = Int64(key)
                step.nextStepID = Int64(next)
                return step
            }
        }
        return reply
    }

    private func receiveBuffer(_ message: TFRecvBufRequest) async throws -> EncodedBuffer {
        let request = try ReceiveBuffer(message)
        let buffer: CollectiveBuffer = try await awaitCompletion(on: .inline) { worker.receiveBuffer(request, into: nil, cancellation: $0, $1) }
        do {
            let encoded = try ReceiveBufferCoder.encode(buffer.tensor, sendStartMicros: WorkerService.microsecondsSince1970())
            return EncodedBuffer(message: encoded, sent: buffer.sent)
        } catch {
            buffer.sent?(error)
            throw error
        }
    }
}
