import Synchronization
import WeirGraph
import WeirTensor
import WeirWire

@testable import WeirCluster

/// A master whose replies the test supplies.
final class FakeMaster: MasterEndpoint {
    typealias Step = @Sendable (RunStep, Cancellation, @escaping Completion<RunStepReply>) -> Void
    let onRunStep: Step
    let created = Mutex<[CreateSession]>([])
    let failure: Status?

    /// - Parameter failure: the error of every call except `runStep`.
    init(
        failure: Status? = nil,
        onRunStep: @escaping Step = { _, _, done in done(.success(RunStepReply(tensors: []))) }
    ) {
        self.failure = failure
        self.onRunStep = onRunStep
    }
    private func check() throws { if let failure { throw failure } }

    func createSession(_ request: CreateSession, cancellation: Cancellation) async throws -> String {
        try check()
        created.withLock { $0.append(request) }
        return "0123456789abcdef"
    }
    func extendSession(_ handle: String, graph: GraphDefinition, version: Int) async throws -> Int {
        try check()
        return version + graph.nodes.count
    }
    func runStep(_ request: RunStep, cancellation: Cancellation, _ done: @escaping Completion<RunStepReply>) {
        onRunStep(request, cancellation, done)
    }
    func setUpPartialRun(_ request: RunStep) async throws -> String {
        try check()
        return request.feedNames.joined(separator: ",")
    }
    func makeCallable(_ handle: String, options: CallableOptions, requestID: Int) async throws -> Int {
        try check()
        return options.feeds.count
    }
    func runCallable(
        _ handle: String, callable: Int, feeds: [Tensor], requestID: Int, cancellation: Cancellation,
        _ done: @escaping Completion<RunStepReply>
    ) {
        done(.success(RunStepReply(tensors: feeds.reversed().map { NamedTensor("", $0) })))
    }
    func releaseCallable(_ handle: String, callable: Int) async throws { try check() }
    func closeSession(_ handle: String) async throws { try check() }
    func listDevices(_ handle: String) async throws -> (local: [DeviceAttributes], remote: [DeviceAttributes]) {
        try check()
        return (local: [FakeWorker.device], remote: [])
    }
    func reset(containers: [String], deviceFilters: [String]) async throws { try check() }
}

/// A worker whose replies the test supplies.
final class FakeWorker: WorkerEndpoint {
    typealias Part = @Sendable (RunGraph, Cancellation, @escaping Completion<RunGraphReply>) -> Void
    typealias Receive = @Sendable (ReceiveTensor, Cancellation, @escaping Completion<RendezvousItem>) -> Void
    static let device = DeviceAttributes(
        name: DeviceName(job: "worker", replica: 0, task: 0, type: "CPU", index: 0), type: "CPU", memoryLimit: 1 << 28,
        incarnation: 0xfedc_ba98_7654_3210)
    let onRunGraph: Part
    let onReceive: Receive
    let registered = Mutex<[RegisterGraph]>([])
    /// Handles of deregistered graphs.
    let deregistered = Event<String>()
    /// Runs in each graph registration, before its reply.
    let onRegister: @Sendable () async throws -> Void
    /// Runs in each CleanupAll, before its reply.
    let onCleanUp: @Sendable () async throws -> Void

    init(
        onRegister: @escaping @Sendable () async throws -> Void = {}, onCleanUp: @escaping @Sendable () async throws -> Void = {},
        onRunGraph: @escaping Part = { _, _, done in done(.success(RunGraphReply())) },
        onReceive: @escaping Receive = { _, _, done in done(.success(.dead())) }
    ) {
        self.onRegister = onRegister
        self.onCleanUp = onCleanUp
        self.onRunGraph = onRunGraph
        self.onReceive = onReceive
    }
    func status() async throws -> [DeviceAttributes] { [FakeWorker.device] }
    func createSession(_ request: CreateWorkerSession) async throws {}
    func deleteSession(_ handle: String) async throws {}
    func registerGraph(_ request: RegisterGraph) async throws -> String {
        registered.withLock { $0.append(request) }
        try await onRegister()
        return "0000000000000001"
    }
    func deregisterGraph(_ handle: String, session: String) async throws {
        deregistered.happen(handle)
        throw Status.aborted("Graph handle is not found: \(handle). Possibly, this worker just restarted.")
    }
    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        onRunGraph(request, cancellation, done)
    }
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        onReceive(request, cancellation, done)
    }
    func cleanUpGraph(step: Int) async throws {}
    func cleanUpAll(containers: [String]) async throws { try await onCleanUp() }
    func logging(enabled: Bool, fetching steps: [Int]) async throws {}
}

extension FakeMaster {
    /// A master whose steps end only on cancellation.
    static func untilCancelled(_ started: Event<Void>, _ ended: Event<Void>) -> FakeMaster {
        FakeMaster { _, cancellation, done in
            _ = cancellation.register {
                ended.happen()
                done(.failure(.cancelled("step was cancelled")))
            }
            started.happen()
        }
    }
}

/// The error of the body, as a status; nil when it succeeds.
func status(of body: () async throws -> some Any) async -> WeirTensor.Status? {
    do {
        _ = try await body()
        return nil
    } catch {
        return WeirTensor.Status(anyError: error)
    }
}

/// An unbounded queue of values that a test waits for.
final class Event<Value: Sendable>: Sendable {
    private let stream: AsyncStream<Value>
    private let continuation: AsyncStream<Value>.Continuation
    init() { (stream, continuation) = AsyncStream.makeStream() }
    func happen(_ value: Value) { continuation.yield(value) }
    /// The next value, in FIFO order.
    func next() async throws -> Value {
        var iterator = stream.makeAsyncIterator()
        guard let value = await iterator.next() else { throw CancellationError() }
        return value
    }
}
extension Event<Void> {
    func happen() { happen(()) }
}

/// A gRPC server of a fake master and worker on a free port, and clients of it.
struct Loopback: Sendable {
    let listener: GRPCListener
    let port: Int
    let connection: GRPCConnection
    let master: RemoteMaster
    let worker: RemoteWorker

    static func with<R: Sendable>(
        master: FakeMaster = FakeMaster(), worker: FakeWorker = FakeWorker(), port: Int = 0,
        _ body: (Loopback) async throws -> R
    ) async throws -> R {
        let listener = GRPCListener(
            host: "127.0.0.1", port: port, services: [MasterService(master: master), WorkerService(worker: worker)])
        let bound = try await listener.start()
        let connection = GRPCConnection(address: "127.0.0.1:\(bound)")
        let loopback = Loopback(
            listener: listener, port: bound, connection: connection, master: RemoteMaster(connection: connection),
            worker: RemoteWorker(task: FakeWorker.device.name.taskName, connection: connection))
        let result: Result<R, any Error>
        do { result = .success(try await body(loopback)) } catch { result = .failure(error) }
        await connection.close()
        await listener.shutDown(within: .zero)
        return try result.get()
    }

    func runStep(_ request: RunStep, cancellation: Cancellation = Cancellation()) async throws -> RunStepReply {
        try await withCheckedThrowingContinuation { continuation in
            master.runStep(request, cancellation: cancellation) { continuation.resume(with: $0) }
        }
    }
    func runGraph(_ request: RunGraph, cancellation: Cancellation = Cancellation()) async throws -> RunGraphReply {
        try await withCheckedThrowingContinuation { continuation in
            worker.runGraph(request, cancellation: cancellation) { continuation.resume(with: $0) }
        }
    }
    func receive(_ key: String, cancellation: Cancellation = Cancellation()) async throws -> RendezvousItem {
        try await withCheckedThrowingContinuation { continuation in
            let request = ReceiveTensor(step: 7, key: RendezvousKey(key))
            worker.receiveTensor(request, cancellation: cancellation) { continuation.resume(with: $0) }
        }
    }
}
