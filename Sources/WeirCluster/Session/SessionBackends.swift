import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// Runs steps on the devices of this process. They run on the compute pool's threads, never on Swift's cooperative threads.
struct DirectBackend: SessionBackend {
    private let session: DirectSession
    init(_ session: DirectSession) { self.session = session }

    func run(
        fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions, _ cancellation: Cancellation
    ) async throws -> RunStepReply {
        let times = options.traces ? StepTimes() : nil
        let (plan, tensors) = try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<(DirectSession.Plan, [Tensor]), any Error>) in
            // Compilation is on the pool too, because constant folding runs kernels.
            session.devices.client.pool.submit { [session] in
                do {
                    let plan = try session.plan(feeds: feeds.map(\.name), fetches: fetches, targets: targets)
                    session.start(plan, feeds.map(\.tensor), trace: times, cancellation: cancellation, timeout: options.timeout) { result in
                        continuation.resume(with: result.map { (plan, $0) })
                    }
                } catch {
                    continuation.resume(throwing: error)
                }
            }
        }
        var reply = RunStepReply(tensors: zip(fetches, tensors).map { NamedTensor($0, $1) })
        if options.traces || options.returnsPartitionGraphs {
            let graphs = options.returnsPartitionGraphs ? plan.parts.map(\.graph.definition) : []
            reply.metadata = RunMetadata(times: times?.all(in: plan.parts.map(\.graph)) ?? [], partitionGraphs: graphs)
        }
        return reply
    }
    func extend(to graph: Graph) async throws { try session.extend(to: graph) }
    func devices() async throws -> [DeviceAttributes] {
        session.devices.places.map {
            DeviceAttributes(
                name: $0.device.name, type: $0.device.type, memoryLimit: $0.device.memoryLimit, incarnation: $0.device.incarnation,
                hardware: $0.device.hardware)
        }
    }
    func placement() async throws -> PlacementReport { PlacementReport(session.placedGraph) }
    func close() async throws { session.close() }
}

/// Runs steps with a master, in this process or another.
final class MasterBackend: SessionBackend {
    private let master: any MasterEndpoint
    private let handle: String
    private let target: String
    /// How much of the graph the master has.
    private struct Sent {
        var nodeCount: Int
        var version = 0
    }
    private let sent: Mutex<Sent>

    init(_ master: any MasterEndpoint, _ graph: Graph, _ configuration: SessionConfiguration, target: String, timeout: Duration?) async throws {
        self.master = master
        self.target = target
        sent = Mutex(Sent(nodeCount: graph.nodes.count))
        let cancellation = Cancellation()
        let request = CreateSession(graph: graph.definition, configuration: configuration, target: target, timeout: timeout)
        handle = try await withTaskCancellationHandler {
            try await master.createSession(request, cancellation: cancellation)
        } onCancel: {
            cancellation.cancel()
        }
    }

    func run(
        fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions, _ cancellation: Cancellation
    ) async throws -> RunStepReply {
        var request = RunStep(session: handle, feeds: feeds, fetches: fetches, targets: targets)
        request.options = options
        request.requestID = Int.random(in: 1 ... .max)
        let call = request
        return try await withCheckedThrowingContinuation { continuation in
            master.runStep(call, cancellation: cancellation) { continuation.resume(with: $0) }
        }
    }

    func extend(to graph: Graph) async throws {
        let before = sent.withLock { $0 }
        guard graph.nodes.count > before.nodeCount else { return }
        var difference = graph.definition
        difference.nodes.removeFirst(before.nodeCount)
        let version = try await master.extendSession(handle, graph: difference, version: before.version)
        sent.withLock { $0 = Sent(nodeCount: graph.nodes.count, version: version) }
    }
    func devices() async throws -> [DeviceAttributes] {
        let (local, remote) = try await master.listDevices(handle)
        return local + remote
    }
    func placement() async throws -> PlacementReport {
        // TensorFlow's MasterService has no call for it.
        guard let local = master as? Master else {
            throw Status.unimplemented(
                "Expected a session in this process or on a server in it, found one on the master at \(target), which does not report "
                    + "placements; RunOptions.returnsPartitionGraphs returns the placed nodes of a step")
        }
        return try local.placement(of: handle)
    }
    func close() async throws { try await master.closeSession(handle) }
}
