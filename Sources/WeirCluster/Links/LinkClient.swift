import Synchronization
import WeirGraph
import WeirTensor
import WeirWire

/// The calling end of a link: a step's calls to one task.
final class LinkClient: Sendable {
    private enum Pending {
        case run(Completion<RunGraphReply>)
        case receive(Completion<RendezvousItem>)
    }
    private struct Call {
        let pending: Pending
        let cancellation: Cancellation
        let token: Cancellation.Token
        let start: ContinuousClock.Instant
    }
    /// More than any steps need at a time; a call beyond it fails.
    private static let maximumCalls = 1_000_000
    private struct State {
        var calls: [UInt64: Call] = [:]
        var next: UInt64 = 1
        var ended: Status?
    }
    private let link: Link
    private let task: DeviceName
    private let variants: VariantDecoders
    private let state = Mutex(State())

    /// Connects both sockets.
    /// - Throws: `unavailable` when the peer cannot be reached, `resourceExhausted` without a thread for it. Blocks.
    init(host: String, offer: LinkService.Offer, task: DeviceName, variants: VariantDecoders) throws(Status) {
        self.task = task
        self.variants = variants
        let id = UInt64.random(in: 1 ... .max)
        let control = try LinkClient.connect(.control, of: id, host: host, offer: offer)
        let bulk = try LinkClient.connect(.bulk, of: id, host: host, offer: offer)
        link = try Link(control: control.socket, bulk: bulk.socket, incoming: bulk.ring)
    }

    private static func connect(
        _ role: Link.SocketRole, of id: UInt64, host: String, offer: LinkService.Offer
    ) throws(Status) -> (socket: LinkSocket, ring: SharedRing?) {
        let (socket, isLocal) = try offer.address.connect(host: host)
        // Where a sandbox gives no such memory, large tensors go through the socket.
        let ring = isLocal && role == .bulk ? try? SharedRing() : nil
        try socket.sendWaiting(LinkHello(link: id, secret: offer.secret, role: role, sharesMemory: ring != nil).frame)
        if let ring { try socket.offer(ring) }
        return (socket, ring)
    }

    /// The link keeps its client until it has ended, so that calls under way fail though nobody else has it any more.
    /// - Parameter onEnd: called once, when the link has ended; every call under way has failed by then.
    func start(_ onEnd: @escaping @Sendable () -> Void) {
        link.start(
            { [self] in handle($0) },
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
            try call(.receiveTensor, request.linkHead, .receive(done), cancellation)
        } catch {
            done(.failure(error))
        }
    }
    /// Nobody waits for an answer.
    func cleanUp(step: Int) throws(Status) {
        var writer = LinkWriter()
        writer.integer(step)
        try link.send(LinkFrame(kind: .cleanUp, call: 0, head: writer.bytes))
    }

    /// Sends a call; once it is sent its completion is called, come what may.
    private func call(_ kind: LinkFrame.Kind, _ head: [UInt8], _ pending: Pending, _ cancellation: Cancellation) throws(Status) {
        let number = state.withLock { state -> UInt64 in
            defer { state.next += 1 }
            return state.next
        }
        let token = cancellation.register { [weak self] in self?.cancel(number) }
        guard let token else { throw Status.cancelled("The call was cancelled before it was sent").derived }
        let refusal = state.withLock { [start = ContinuousClock.now] state -> Status? in
            if let ended = state.ended { return ended }
            guard state.calls.count < LinkClient.maximumCalls else {
                return explained(.resourceExhausted("\(state.calls.count) calls wait for an answer"))
            }
            state.calls[number] = Call(pending: pending, cancellation: cancellation, token: token, start: start)
            return nil
        }
        if let refusal {
            cancellation.deregister(token)
            throw refusal
        }
        do throws(Status) {
            try link.send(LinkFrame(kind: kind, call: number, head: head))
        } catch {
            // The link has ended; if its end has not yet failed this call, it is failed here.
            finish(number, failure: death(error))
        }
        // A cancellation that came before the call was noted found nothing to cancel.
        if cancellation.isCancelled { cancel(number) }
    }

    /// A run is ended by the peer, which answers; a tensor is not waited for any longer.
    private func cancel(_ number: UInt64) {
        try? link.send(LinkFrame(kind: .cancel, call: number))
        let received = state.withLock { state -> Call? in
            guard let call = state.calls[number], case .receive = call.pending else { return nil }
            return call
        }
        guard let received else { return }
        finish(number, failure: .cancelled("RecvTensor", at: task, after: .now - received.start))
    }

    private func take(_ number: UInt64) -> Pending? {
        guard let call = state.withLock({ $0.calls.removeValue(forKey: number) }) else { return nil }
        call.cancellation.deregister(call.token)
        return call.pending
    }
    private func finish(_ number: UInt64, failure: Status) {
        switch take(number) {
        case .run(let done)?: done(.failure(failure))
        case .receive(let done)?: done(.failure(failure))
        case nil: break
        }
    }
    private func explained(_ status: Status) -> Status {
        status.appending("\nfrom remote target \(task), over its link")
    }
    /// What calls fail with when the link has ended: its peer has, unless it was the peer that broke the rules.
    private func death(_ status: Status) -> Status {
        guard status.code == .unavailable else { return explained(status) }
        return .unavailable("Task \(task) has ended or cannot be reached: \(status.message)")
    }

    private func handle(_ frame: LinkFrame) {
        do throws(Status) {
            switch frame.kind {
            case .failure: finish(frame.call, failure: try Status(linkHead: frame.head))
            case .runGraphReply:
                let reply = try RunGraphReply(linkHead: frame.head, variants: variants)
                if case .run(let done)? = take(frame.call) { done(.success(reply)) }
            case .tensor:
                let description = try LinkTensor(head: frame.head)
                let tensor: Tensor
                if let payload = frame.payload {
                    tensor = payload
                } else {
                    tensor = try ReceiveTensorCoder.decode(description.encoded, variants: variants).tensor
                }
                if case .receive(let done)? = take(frame.call) { done(.success(RendezvousItem(tensor, isDead: description.isDead))) }
            default: throw .dataLoss("A link's message of kind \(frame.kind) is no answer")
            }
        } catch {
            finish(frame.call, failure: explained(error))
        }
    }

    private func fail(_ status: Status) {
        let reason = death(status)
        let numbers = state.withLock { state -> [UInt64] in
            state.ended = reason
            return Array(state.calls.keys)
        }
        for number in numbers { finish(number, failure: reason) }
    }
}
