import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// The worker of another task. Calls of steps go over a link if the task has links, all other calls over gRPC.
final class LinkWorker: WorkerEndpoint {
    private enum State {
        case unknown
        case opening
        case open(LinkClient)
        /// The peer has no links: it is a TensorFlow server, or its links are disabled.
        case unsupported
        case closed
    }
    private let remote: RemoteWorker
    private let openLink: @Sendable () async throws -> LinkClient?
    private let state = Mutex(State.unknown)
    private let closeHandler = Mutex<(@Sendable (LinkWorker) -> Void)?>(nil)

    /// - Parameter open: opens a link, or returns nil when the peer has none.
    init(_ remote: RemoteWorker, open: @escaping @Sendable () async throws -> LinkClient?) {
        self.remote = remote
        openLink = open
    }

    private var link: LinkClient? { state.withLock { state in if case .open(let link) = state { link } else { nil } } }

    /// Opens a link unless there is one, one is being opened, or the peer has none.
    private func connect() async {
        let shouldOpen = state.withLock { state -> Bool in
            guard case .unknown = state else { return false }
            state = .opening
            return true
        }
        guard shouldOpen else { return }
        var opened: LinkClient?
        var newState = State.unsupported
        do {
            opened = try await openLink()
            if let opened { newState = .open(opened) }
        } catch {
            // The task cannot be reached now. The next call may try again.
            newState = .unknown
        }
        let isClosed = state.withLock { state -> Bool in
            if case .closed = state { return true }
            state = newState
            return false
        }
        if isClosed { opened?.close() }
        opened?.start { [weak self] in self?.linkEnded() }
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
        // Replies with step statistics are large and rare, so only gRPC has a format for them.
        if let link, !request.recordsTimes, !request.recordsPartitionGraphs {
            link.runGraph(request, cancellation: cancellation, done)
        } else {
            remote.runGraph(request, cancellation: cancellation, done)
        }
    }

    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        if let link { return link.receiveTensor(request, cancellation: cancellation, done) }
        connectLater()
        remote.receiveTensor(request, cancellation: cancellation, done)
    }
    /// Opens a link for later calls, if it is not known that the peer has none.
    private func connectLater() {
        let isUnknown = state.withLock { state in if case .unknown = state { true } else { false } }
        if isUnknown { Task { await connect() } }
    }

    func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        if let link { return link.receiveBuffer(request, into: destination, cancellation: cancellation, done) }
        connectLater()
        remote.receiveBuffer(request, into: destination, cancellation: cancellation, done)
    }
    func endGroup(_ request: EndGroup) async throws { try await remote.endGroup(request) }
    func announceEnd(_ request: EndGroup) {
        do throws(Status) {
            if let link { return try link.announceEnd(request) }
        } catch {
            // The link has ended. The task may still be there.
        }
        remote.announceEnd(request)
    }
    func completeGroup(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>) {
        remote.completeGroup(request, cancellation: cancellation, done)
    }
    func completeInstance(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>) {
        remote.completeInstance(request, cancellation: cancellation, done)
    }
    func stepSequence(_ graphKeys: [Int]) async throws -> [Int: Int] { try await remote.stepSequence(graphKeys) }
    func watchGroup(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>) {
        remote.watchGroup(request, cancellation: cancellation, done)
    }

    func cleanUpGraph(step: Int) async throws {
        guard !forgetOverLink(step: step) else { return }
        try await remote.cleanUpGraph(step: step)
    }
    func forget(step: Int) {
        guard !forgetOverLink(step: step) else { return }
        remote.forget(step: step)
    }
    /// Tells the task to drop a step, without waiting for a reply.
    /// - Returns: false when there is no link.
    private func forgetOverLink(step: Int) -> Bool {
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
        closeHandler.withLock { closeHandler in
            defer { closeHandler = nil }
            return closeHandler
        }?(self)
    }
    /// Sets the closure that is called once, when this endpoint is closed.
    func setCloseHandler(_ body: @escaping @Sendable (LinkWorker) -> Void) { closeHandler.withLock { $0 = body } }
}
