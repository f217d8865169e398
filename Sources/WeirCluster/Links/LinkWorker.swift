import Synchronization
import WeirGraph
import WeirTensor
import WeirWire

/// The worker of another task: the calls of a step over a link when the task is Weir's and there is one, everything else
/// over gRPC.
final class LinkWorker: WorkerEndpoint {
    private enum State {
        case unknown
        case opening
        case open(LinkClient)
        /// The peer has no links: it is TensorFlow's, or was told not to.
        case none
        case closed
    }
    private let remote: RemoteWorker
    private let open: @Sendable () async throws -> LinkClient?
    private let state = Mutex(State.unknown)
    private let onClose = Mutex<(@Sendable (LinkWorker) -> Void)?>(nil)

    /// - Parameter open: makes a link, or gives nil when the peer has none.
    init(_ remote: RemoteWorker, open: @escaping @Sendable () async throws -> LinkClient?) {
        self.remote = remote
        self.open = open
    }

    private var link: LinkClient? { state.withLock { state in if case .open(let link) = state { link } else { nil } } }

    /// Makes a link if there may be one and there is none.
    private func connect() async {
        let begins = state.withLock { state -> Bool in
            guard case .unknown = state else { return false }
            state = .opening
            return true
        }
        guard begins else { return }
        var made: LinkClient?
        var outcome = State.none
        do {
            made = try await open()
            if let made { outcome = .open(made) }
        } catch {
            // The task is not there, or is going: it is asked again at the next session.
            outcome = .unknown
        }
        let isClosed = state.withLock { state -> Bool in
            if case .closed = state { return true }
            state = outcome
            return false
        }
        if isClosed { made?.close() }
        made?.start { [weak self] in self?.linkEnded() }
    }
    private func linkEnded() {
        state.withLock { state in if case .open = state { state = .unknown } }
    }

    func status() async throws -> [DeviceAttributes] { try await remote.status() }
    func createSession(_ request: CreateWorkerSession) async throws {
        try await remote.createSession(request)
        await connect()
    }
    func deleteSession(_ handle: String) async throws { try await remote.deleteSession(handle) }
    func registerGraph(_ request: RegisterGraph) async throws -> String {
        await connect()
        return try await remote.registerGraph(request)
    }
    func deregisterGraph(_ handle: String, session: String) async throws { try await remote.deregisterGraph(handle, session: session) }

    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        // Traces are large and rare, and have their form on gRPC.
        if let link, !request.recordsTimes, !request.recordsPartitionGraphs {
            link.runGraph(request, cancellation: cancellation, done)
        } else {
            remote.runGraph(request, cancellation: cancellation, done)
        }
    }

    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        if let link { return link.receiveTensor(request, cancellation: cancellation, done) }
        let isUnknown = state.withLock { state in if case .unknown = state { true } else { false } }
        if isUnknown { Task { await connect() } }
        remote.receiveTensor(request, cancellation: cancellation, done)
    }

    func cleanUpGraph(step: Int) async throws {
        guard !forget(step: step) else { return }
        try await remote.cleanUpGraph(step: step)
    }
    /// Has the step forgotten without waiting for an answer, if there is a link.
    func forget(step: Int) -> Bool {
        guard let link else { return false }
        do throws(Status) {
            try link.cleanUp(step: step)
            return true
        } catch {
            return false
        }
    }
    func cleanUpAll(containers: [String]) async throws { try await remote.cleanUpAll(containers: containers) }
    func logging(enabled: Bool, fetching steps: [Int]) async throws { try await remote.logging(enabled: enabled, fetching: steps) }

    func close() {
        let link = state.withLock { state -> LinkClient? in
            defer { state = .closed }
            if case .open(let link) = state { return link }
            return nil
        }
        link?.close()
        onClose.withLock { onClose in
            defer { onClose = nil }
            return onClose
        }?(self)
    }
    /// Has a body called, once, when it is closed.
    func whenClosed(_ body: @escaping @Sendable (LinkWorker) -> Void) { onClose.withLock { $0 = body } }
}
