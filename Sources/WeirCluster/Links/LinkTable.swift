import Synchronization
import WeirDevice
import WeirGraph
import WeirTensor

/// The links from this task to other tasks.
final class LinkTable: Sendable {
    private let transport: ServerOptions.TensorTransport
    private let variants: VariantDecoders
    private let localTask: DeviceName
    private let metrics: ServerMetrics
    private let workers = Mutex<[ObjectIdentifier: LinkWorker]>([:])

    init(transport: ServerOptions.TensorTransport, variants: VariantDecoders, localTask: DeviceName, metrics: ServerMetrics) {
        self.transport = transport
        self.variants = variants
        self.localTask = localTask
        self.metrics = metrics
    }

    /// Returns the endpoint of a task. It uses a link if both tasks support links.
    func worker(_ remote: RemoteWorker, task: DeviceName, address: String, connection: GRPCConnection) -> any WorkerEndpoint {
        guard transport != .grpc else { return remote }
        let host = String(address[..<(address.lastIndex(of: ":") ?? address.endIndex)])
        let worker = LinkWorker(remote) { [transport, variants, localTask, metrics] in
            guard var offered = try await LinkService.requestOffer(from: connection) else { return nil }
            if transport == .tcp { offered.address.name = "" }
            let offer = offered
            // Connecting blocks, so it does not run on Swift's cooperative threads.
            return try await withCheckedThrowingContinuation { continuation in
                do {
                    try SystemThread.run {
                        continuation.resume(
                            with: Result {
                                try LinkClient(
                                    host: host, offer: offer, task: task, from: localTask, variants: variants, metrics: metrics.link(with: task))
                            })
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        worker.setCloseHandler { [weak self] closed in self?.workers.withLock { _ = $0.removeValue(forKey: ObjectIdentifier(closed)) } }
        workers.withLock { $0[ObjectIdentifier(worker)] = worker }
        return worker
    }

    /// The number of open endpoints. Tests use it to find leaks.
    var count: Int { workers.withLock { $0.count } }

    /// Closes all links. Endpoints stay usable over gRPC.
    func close() {
        for worker in workers.withLock({ Array($0.values) }) { worker.close() }
    }
}
