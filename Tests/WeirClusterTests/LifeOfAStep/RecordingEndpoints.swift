import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

@testable import WeirCluster

/// Records the steps of a client's session.
struct RecordingBackend: SessionBackend {
    let base: any SessionBackend
    let recorder: StationRecorder

    func run(
        fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions, _ cancellation: Cancellation
    ) async throws -> RunStepReply {
        let type = String(describing: Swift.type(of: base))
        recorder.record("client", type, "run")
        let reply = try await base.run(fetches: fetches, feeds: feeds, targets: targets, options: options, cancellation)
        recorder.record("client", type, "return")
        return reply
    }
    func extend(to graph: Graph) async throws { try await base.extend(to: graph) }
    func devices() async throws -> [DeviceAttributes] { try await base.devices() }
    func placement() async throws -> PlacementReport { try await base.placement() }
    func close() async throws { try await base.close() }
}

/// Records the calls of a master's RunStep.
final class RecordingMaster: MasterEndpoint {
    let base: any MasterEndpoint
    let recorder: StationRecorder
    let process: String
    let type: String

    /// - Parameter type: the type at which the calls are recorded.
    init(_ base: any MasterEndpoint, _ recorder: StationRecorder, process: String, type: String) {
        self.base = base
        self.recorder = recorder
        self.process = process
        self.type = type
    }
    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        recorder.record(process, type, "RunStep")
        base.runStep(request, cancellation: cancellation) { [self] result in
            recorder.record(process, type, "RunStep reply")
            done(result)
        }
    }
    func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String {
        try await base.createSession(request, cancellation: cancellation)
    }
    func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int {
        try await base.extendSession(handle, graph: graph, version: version)
    }
    func setUpPartialRun(_ request: RunStep) async throws -> String { try await base.setUpPartialRun(request) }
    func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int {
        try await base.makeCallable(handle, options: options, requestID: requestID)
    }
    func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>
    ) {
        base.runCallable(handle, callable: callable, feeds: feeds, requestID: requestID, cancellation: cancellation, done)
    }
    func releaseCallable(_ handle: String, callable: Int) async throws { try await base.releaseCallable(handle, callable: callable) }
    func closeSession(_ handle: String) async throws { try await base.closeSession(handle) }
    func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        try await base.listDevices(handle)
    }
    func reset(containers: [String], deviceFilters: [String]) async throws {
        try await base.reset(containers: containers, deviceFilters: deviceFilters)
    }
}

/// Records the calls of a worker, at the task that calls it or at its own.
final class RecordingWorker: WorkerEndpoint {
    let base: any WorkerEndpoint
    let recorder: StationRecorder
    let process: String
    let type: String

    /// - Parameter type: the type at which the calls are recorded.
    init(_ base: any WorkerEndpoint, _ recorder: StationRecorder, process: String, type: String) {
        self.base = base
        self.recorder = recorder
        self.process = process
        self.type = type
    }
    func registerGraph(_ request: RegisterGraph) async throws -> String {
        recorder.record(process, type, "RegisterGraph")
        return try await base.registerGraph(request)
    }
    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        recorder.record(process, type, "RunGraph")
        base.runGraph(request, cancellation: cancellation) { [self] result in
            recorder.record(process, type, "RunGraph reply")
            done(result)
        }
    }
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        recorder.record(process, type, "RecvTensor")
        base.receiveTensor(request, cancellation: cancellation) { [self] result in
            recorder.record(process, type, "RecvTensor reply")
            done(result)
        }
    }
    func cleanUpGraph(step: Int) async throws {
        recorder.record(process, type, "CleanupGraph")
        try await base.cleanUpGraph(step: step)
    }
    func forget(step: Int) {
        recorder.record(process, type, "CleanupGraph")
        base.forget(step: step)
    }
    func status() async throws -> [DeviceAttributes] { try await base.status() }
    func createSession(_ request: CreateWorkerSession) async throws { try await base.createSession(request) }
    func deleteSession(_ handle: String) async throws { try await base.deleteSession(handle) }
    func deregisterGraph(_ handle: String, session: String) async throws { try await base.deregisterGraph(handle, session: session) }
    func cleanUpAll(containers: [String]) async throws { try await base.cleanUpAll(containers: containers) }
    func logging(enabled: Bool, fetching steps: [Int]) async throws { try await base.logging(enabled: enabled, fetching: steps) }
    var isLocal: Bool { base.isLocal }
    func admit(_ request: RunGraph) throws(Status) { try base.admit(request) }
    func close() { base.close() }
}
