import WeirGraph
import WeirProto
import WeirRuntime
import WeirTensor
import WeirWire

extension RemoteWorker {
    func completeGroup(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>) {
        start("CompleteGroup", cancellation, done) { worker in
            let reply: TFCompleteGroupResponse = try await worker.call(WorkerMethod.completeGroup, TFCompleteGroupRequest(request))
            return try CollectiveGroup(reply, for: request)
        }
    }

    func completeInstance(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>) {
        start("CompleteInstance", cancellation, done) { worker in
            let reply: TFCompleteInstanceResponse = try await worker.call(
                WorkerMethod.completeInstance, TFCompleteInstanceRequest(request))
            guard (0..<request.operation.groupSize).contains(Int(reply.sourceRank)) else {
                throw WeirTensor.Status.internalError(
                    "CompleteInstance: expected a rank in a group of \(request.operation.groupSize) members, found \(reply.sourceRank)")
            }
            return Int(reply.sourceRank)
        }
    }

    func stepSequence(_ graphKeys: [Int]) async throws -> [Int: Int] {
        var request = TFGetStepSequenceRequest()
        request.graphKey = graphKeys.map { Int64($0) }
        let reply: TFGetStepSequenceResponse = try await call(WorkerMethod.getStepSequence, request)
        return Dictionary(
            reply.stepSequence.map { (Int($0.graphKey), Int($0.nextStepID)) }, uniquingKeysWith: { first, _ in first })
    }

    func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        var request = request
        // What comes in a message is not combined on its way.
        let target = destination?.combination == nil ? destination?.target : nil
        if request.requestID == 0 { request.requestID = .random(in: 1 ... .max) }
        start("RecvBuf", cancellation, done) { [request] worker in
            let received = try await worker.call(
                WorkerMethod.recvBuf, TFRecvBufRequest(request), ProtobufSerializer(), BufferDeserializer(target: target))
            if received.requiresAcknowledgement { worker.acknowledge(request.requestID) }
            return CollectiveBuffer(received.tensor)
        }
    }

    func endGroup(_ request: EndGroup) async throws {
        _ = try await call(CollectiveService.endGroup, request.linkHead, BytesCoding(), BytesCoding()) as [UInt8]
    }

    func watchGroup(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>) {
        start("WatchGroup", cancellation, done) { worker in
            _ = try await worker.call(CollectiveService.watchGroup, request.linkHead, BytesCoding(), BytesCoding()) as [UInt8]
        }
    }

    /// Starts a call that waits for other tasks.
    private func start<T: Sendable>(
        _ name: String, _ cancellation: Cancellation, _ done: @escaping Completion<T>,
        _ body: @escaping @Sendable (RemoteWorker) async throws -> T
    ) {
        let (task, begin) = (task, ContinuousClock.now)
        RemoteCall.start(cancellation, cancelled: { .cancelled(name, at: task, after: .now - begin) }, dispatched(done)) {
            try await body(self)
        }
    }
}
