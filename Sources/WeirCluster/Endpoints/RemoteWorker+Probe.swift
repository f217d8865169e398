import WeirProto
import WeirTensor
import WeirWire

extension RemoteWorker {
    /// Asks the task at an address once for its devices, over the connections that this process's clients share.
    /// - Throws: `unavailable` when no task replies; `deadlineExceeded` when the timeout passes.
    static func probe(address: String, timeout: Duration) async throws -> [DeviceAttributes] {
        let reply: TFGetStatusResponse = try await GRPCConnections.shared[address].call(
            WorkerMethod.getStatus, TFGetStatusRequest(), ProtobufSerializer(), ProtobufDeserializer(), timeout: timeout)
        return try DeviceAttributes.all(reply.deviceAttributes)
    }
}
