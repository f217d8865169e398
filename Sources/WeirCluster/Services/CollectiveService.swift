import GRPCCore
import WeirGraph
import WeirTensor

/// The RPCs by which Weir tasks tell each other that a group of collective operations has ended. TensorFlow's servers do not know
/// them: there a member that waits for one that has failed waits until its client gives up.
struct CollectiveService: RPCService {
    let worker: any WorkerEndpoint
    static let endGroup = method("EndGroup")
    static let watchGroup = method("WatchGroup")

    private static func method(_ name: String) -> MethodDescriptor {
        MethodDescriptor(fullyQualifiedService: "weir.CollectiveService", method: name, type: .unary)
    }

    func register(with table: inout RPCTable) {
        table.unary(CollectiveService.endGroup, BytesCoding(), BytesCoding()) { (message: [UInt8]) in
            try await worker.endGroup(try EndGroup(linkHead: message))
            return [UInt8]()
        }
        table.unary(CollectiveService.watchGroup, BytesCoding(), BytesCoding()) { (message: [UInt8]) in
            let request = try WatchGroup(linkHead: message)
            try await awaitCompletion(on: .inline) { worker.watchGroup(request, cancellation: $0, $1) }
            return [UInt8]()
        }
    }
}
