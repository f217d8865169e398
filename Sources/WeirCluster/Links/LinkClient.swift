import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// The client side of a link: sends the calls of steps to one task.
final class LinkClient: Sendable {
    private enum Pending {
        case run(Completion<RunGraphReply>)
        /// A call that is answered with a tensor: its name for messages, and where the caller wants the elements.
        case receive(String, into: CollectiveDestination?, Completion<RendezvousItem>)
    }
    private struct Call {
        let pending: Pending
        let cancellation: Cancellation
        let token: Cancellation.Token
        let start: ContinuousClock.Instant
    }
    /// The most calls in flight, which no real step reaches. Further calls fail.
    private static let maximumCalls = 1_000_000
    private struct State {
        var calls: [UInt64: Call] = [:]
        var next: UInt64 = 1
        var failure: Status?
    }
    private let link: Link
    private let task: DeviceName
    private let variants: VariantDecoders
    private let state = Mutex(State())

    /// Connects both sockets. Blocks.
    /// - Parameters:
    ///   - task: the task to connect to.
    ///   - localTask: the name of this task, for the peer.
    /// - Throws: `unavailable` when the peer cannot be reached; `resourceExhausted` when the system cannot start the thread that
    ///   writes large tensors.
    init(
        host: String, offer: LinkService.Offer, task: DeviceName, from localTask: DeviceName, variants: VariantDecoders, metrics: LinkMetrics
    ) throws(Status) {
        self.task = task
        self.variants = variants
        let id = UInt64.random(in: 1 ... .max)
        let control = try LinkClient.connect(.control, of: id, host: host, offer: offer, from: localTask)
        let bulk = try LinkClient.connect(.bulk, of: id, host: host, offer: offer, from: localTask)
        link = try Link(control: control.socket, bulk: bulk.socket, incoming: bulk.ring, metrics: metrics)
    }

    private static func connect(
        _ role: Link.SocketRole, of id: UInt64, host: String, offer: LinkService.Offer, from localTask: DeviceName
    ) throws(Status) -> (socket: LinkSocket, ring: SharedRing?) {
        let (socket, isLocal) = try offer.address.connect(host: host)
        // A sandbox may forbid shared memory; then large tensors go through the socket.
        let ring = isLocal && role == .bulk ? try? SharedRing() : nil
        try socket.sendBlocking(LinkHello(link: id, secret: offer.secret, role: role, sharesMemory: ring != nil, task: localTask).frame)
        if let ring { try socket.sendRing(ring) }
        return (socket, ring)
    }

    /// Starts reading. The link retains this client until it ends, so that calls in flight fail even if no one else retains it.
    /// - Parameter onEnd: called once, when the link has ended; all calls in flight have failed before.
    func start(_ onEnd: @escaping @Sendable () -> Void) {
        link.start(
            { [self] in handle($0) },
            destination: { [self] in destination($0) },
            onEnd: { [self] status in
                fail(status)
                onEnd()
            })
    }
    func close() { link.close() }

    func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        do throws(Status) {
            try call(.runGraph, try LinkFrame.checked(request.linkHead()), .run(done), cancellation)
        } catch {
            done(.failure(error))
        }
    }
    func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        do throws(Status) {
            try call(.receiveTensor, request.linkHead, .receive("RecvTensor", into: nil, done), cancellation)
        } catch {
            done(.failure(error))
        }
    }
    func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        do throws(Status) {
            let receive = Pending.receive("RecvBuf", into: destination) { result in done(result.map { CollectiveBuffer($0.tensor) }) }
            try call(.receiveBuffer, request.linkHead, receive, cancellation)
        } catch {
            done(.failure(error))
        }
    }
    /// Tells the task that a group has ended. The task sends no reply.
    func announceEnd(_ request: EndGroup) throws(Status) { try link.send(LinkFrame(kind: .endGroup, call: 0, head: request.linkHead)) }
    /// Tells the task to drop its state of a step. The task sends no reply.
    func cleanUp(step: Int) throws(Status) {
        var encoder = LinkHeadEncoder()
        encoder.integer(step)
        try link.send(LinkFrame(kind: .cleanUp, call: 0, head: encoder.bytes))
    }

    /// Sends a call. Once it is sent, its completion is always called.
    private func call(_ kind: LinkFrame.Kind, _ head: [UInt8], _ pending: Pending, _ cancellation: Cancellation) throws(Status) {
        let number = state.withLock { state -> UInt64 in
            defer { state.next += 1 }
            return state.next
        }
        let token = cancellation.register { [weak self] in self?.cancel(number) }
        guard let token else { throw Status.cancelled("The call was cancelled before it was sent").derived }
        let rejection = state.withLock { [start = ContinuousClock.now] state -> Status? in
            if let failure = state.failure { return failure }
            guard state.calls.count < LinkClient.maximumCalls else {
                return annotated(.resourceExhausted("\(state.calls.count) calls wait for an answer"))
            }
            state.calls[number] = Call(pending: pending, cancellation: cancellation, token: token, start: start)
            return nil
        }
        if let rejection {
            cancellation.deregister(token)
            throw rejection
        }
        do throws(Status) {
            try link.send(LinkFrame(kind: kind, call: number, head: head))
        } catch {
            // The link has ended. If it ended before this call was registered, the call is failed here.
            finish(number, failure: callFailure(error))
        }
        // A cancellation that fired before the call was registered found nothing to cancel.
        if cancellation.isCancelled { cancel(number) }
    }

    /// Cancels a call. The task ends a cancelled run and replies; a cancelled receive completes here, without a reply.
    private func cancel(_ number: UInt64) {
        try? link.send(LinkFrame(kind: .cancel, call: number))
        let receive = state.withLock { state -> (name: String, start: ContinuousClock.Instant)? in
            guard let call = state.calls[number], case .receive(let name, _, _) = call.pending else { return nil }
            return (name, call.start)
        }
        guard let receive else { return }
        finish(number, failure: .cancelled(receive.name, at: task, after: .now - receive.start))
    }

    private func removeCall(_ number: UInt64) -> Pending? {
        guard let call = state.withLock({ $0.calls.removeValue(forKey: number) }) else { return nil }
        call.cancellation.deregister(call.token)
        return call.pending
    }
    private func finish(_ number: UInt64, failure: Status) {
        switch removeCall(number) {
        case .run(let done)?: done(.failure(failure))
        case .receive(_, _, let done)?: done(.failure(failure))
        case nil: break
        }
    }
    private func annotated(_ status: Status) -> Status {
        status.appending("\nfrom remote target \(task), over its link")
    }
    /// Returns the failure of the calls in flight when the link ends: the task has ended, unless it violated the protocol.
    private func callFailure(_ status: Status) -> Status {
        guard status.code == .unavailable else { return annotated(status) }
        return .unavailable("Task \(task) has ended or cannot be reached: \(status.message)")
    }

    /// Returns where the caller of a call wants the elements of the answer. If the call fails while they are read, the caller
    /// drops that memory, which the reader keeps.
    private func destination(_ number: UInt64) -> CollectiveDestination? {
        state.withLock { state in if case .receive(_, let destination, _)? = state.calls[number]?.pending { destination } else { nil } }
    }

    private func handle(_ frame: LinkFrame) {
        do throws(Status) {
            switch frame.kind {
            case .failure: finish(frame.call, failure: try Status(linkHead: frame.head))
            case .runGraphReply:
                let reply = try RunGraphReply(linkHead: frame.head, variants: variants)
                if case .run(let done)? = removeCall(frame.call) { done(.success(reply)) }
            case .tensor:
                let description = try LinkTensor(head: frame.head)
                let tensor: Tensor
                if let payload = frame.payload {
                    tensor = payload
                } else {
                    tensor = try ReceiveTensorCoder.decode(description.encoded, variants: variants).tensor
                }
                if case .receive(_, _, let done)? = removeCall(frame.call) { done(.success(RendezvousItem(tensor, isDead: description.isDead))) }
            default: throw .dataLoss("A link's message of kind \(frame.kind) is no answer")
            }
        } catch {
            finish(frame.call, failure: annotated(error))
        }
    }

    private func fail(_ status: Status) {
        let reason = callFailure(status)
        let numbers = state.withLock { state -> [UInt64] in
            state.failure = reason
            return Array(state.calls.keys)
        }
        for number in numbers { finish(number, failure: reason) }
    }
}
