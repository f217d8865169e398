import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster
@testable import WeirGraph

/// Two servers, `ps` and `worker`, and a client that is connected to the worker's master. They record the stations of steps.
struct RecordingCluster {
    let recorder = StationRecorder()
    private let cluster: TestCluster

    init(transport: ServerOptions.TensorTransport) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        let (recorder, registry) = (recorder, RecordingCluster.registry(recorder))
        cluster = try await TestCluster([("ps", 1), ("worker", 1)], options: options) { definition, options in
            try await Server(definition, options: options, registry: registry, wrappers: RecordingCluster.wrappers(of: definition.job, recorder))
        }
    }

    /// Opens a session through the worker's master, over gRPC.
    func session(_ graph: Graph) async throws -> Session {
        let target = try cluster.server("worker").target
        let master = RecordingMaster(RemoteMaster.shared(target: target), recorder, process: "client", type: "\(RemoteMaster.self)")
        let backend = try await MasterBackend(master, graph, SessionConfiguration(), target: target, timeout: nil)
        return Session(graph, backend: RecordingBackend(base: backend, recorder: recorder), target: target)
    }

    func stop() async { await cluster.stop() }

    private static func wrappers(of process: String, _ recorder: StationRecorder) -> EndpointWrappers {
        var wrappers = EndpointWrappers()
        wrappers.master = { RecordingMaster($0, recorder, process: process, type: "\(MasterService.self)") }
        wrappers.worker = { worker, caller in
            let type = caller == .links ? "\(LinkServer.self)" : "\(WorkerService.self)"
            return RecordingWorker(worker, recorder, process: process, type: type)
        }
        wrappers.peer = { RecordingWorker($0, recorder, process: process, type: String(describing: Swift.type(of: $0))) }
        return wrappers
    }

    /// The standard ops. Kernels of transfers and of `Mul` record when they begin.
    private static func registry(_ recorder: StationRecorder) -> OpRegistry {
        ["_Recv", "_Send", "Mul"].reduce(.standard) { registry, name in
            registry.replacing(name) { op in
                op.hostKernels = op.hostKernels.map { factory in
                    KernelFactory(factory.support) { request in
                        let process = request.place.device.name.job ?? ""
                        let isTransfer = request.attributes["client_terminated"] != nil
                        let isClients = request.attributes.bool("client_terminated") == true
                        let event = !isTransfer ? "values" : !isClients ? "edge" : name == "_Recv" ? "feed" : "fetch"
                        return try factory.make(request).onStart { recorder.record(process, name, event) }
                    }
                }
                return op
            }
        }
    }
}

extension Kernel {
    /// A kernel that calls `action` first.
    fileprivate func onStart(_ action: @escaping @Sendable () -> Void) -> Kernel {
        switch self {
        case .sync(let run):
            .sync { context in
                action()
                try run(context)
            }
        case .async(let run):
            .async { context, done in
                action()
                run(context, done)
            }
        case .enqueued(let run):
            .enqueued { context, done in
                action()
                return try run(context, done)
            }
        }
    }
}
