import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// The links of this task to others.
final class LinkTable: Sendable {
    private let transport: ServerOptions.TensorTransport
    private let variants: VariantDecoders
    private let workers = Mutex<[ObjectIdentifier: LinkWorker]>([:])

    init(transport: ServerOptions.TensorTransport, variants: VariantDecoders) {
        self.transport = transport
        self.variants = variants
    }

    /// The endpoint of a task: with a link where there can be one.
    func worker(_ remote: RemoteWorker, task: DeviceName, address: String, connection: GRPCConnection) -> any WorkerEndpoint {
        guard transport != .grpc else { return remote }
        let host = String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
        let made = LinkWorker(remote) { [transport, variants] in
            guard var offer = try await LinkService.ask(connection) else { return nil }
            if transport == .tcp { offer.address.name = "" }
            let chosen = offer
            // Connecting blocks; not on a thread of Swift's tasks.
            return try await withCheckedThrowingContinuation { continuation in
                do {
                    try SystemThread.run {
                        continuation.resume(
                            with: Result {
                                try LinkClient(host: host, offer: chosen, task: task, variants: variants)
                            })
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        made.whenClosed { [weak self] worker in self?.workers.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(worker)) } }
        workers.withLock { $0[ObjectIdentifier(made)] = made }
        return made
    }

    /// How many endpoints are open, for tests of what is left behind.
    var count: Int { workers.withLock { $0.count } }

    func close() {
        for worker in workers.withLock({ Array($0.values) }) { worker.close() }
    }
}
