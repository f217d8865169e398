import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor
import WeirWire

/// The server side of a link: runs a peer's calls on this task's worker.
final class LinkServer: Sendable {
    private let link: Link
    private let worker: any WorkerEndpoint
    private let variants: VariantDecoders
    private struct Calls {
        var running: [UInt64: Cancellation] = [:]
        /// Whether the link has ended. The other socket may still deliver frames then.
        var areClosed = false
    }
    private let calls = Mutex(Calls())
    /// The most calls in flight, which no real step reaches. Further calls fail.
    private static let maximumCalls = 1_000_000

    init(_ link: Link, worker: any WorkerEndpoint, variants: VariantDecoders) {
        self.link = link
        self.worker = worker
        self.variants = variants
    }

    func start(_ onEnd: @escaping @Sendable () -> Void) {
        link.start(
            { [self] frame in handle(frame) },
            onEnd: { [self] _ in
                // The peer is gone, so its calls are cancelled.
                let cancellations = calls.withLock { calls in
                    defer { calls = Calls(areClosed: true) }
                    return Array(calls.running.values)
                }
                for cancellation in cancellations { cancellation.cancel() }
                onEnd()
            })
    }
    func close() { link.close() }

    private func begin(_ call: UInt64) throws(Status) -> Cancellation {
        let cancellation = Cancellation()
        return try calls.withLock { calls throws(Status) in
            guard !calls.areClosed else { throw .unavailable("its link closed") }
            guard calls.running.count < LinkServer.maximumCalls else {
                throw .resourceExhausted("\(LinkServer.maximumCalls) calls of one link are under way")
            }
            calls.running[call] = cancellation
            return cancellation
        }
    }
    private func reply(to call: UInt64, _ frame: LinkFrame) {
        calls.withLock { _ = $0.running.removeValue(forKey: call) }
        // If sending fails, the link has ended, and the client fails the call itself.
        try? link.send(frame)
    }
    /// Replies with a tensor of a collective operation, and tells its sender when the elements have been read.
    private func reply(to call: UInt64, with buffer: CollectiveBuffer) {
        calls.withLock { _ = $0.running.removeValue(forKey: call) }
        do throws(Status) {
            let head = try LinkTensor(RendezvousItem(buffer.tensor)).head
            try link.send(LinkFrame(kind: .tensor, call: call, head: head, payload: buffer.tensor), written: buffer.sent)
        } catch {
            buffer.sent?(error)
            fail(call, error)
        }
    }
    private func fail(_ call: UInt64, _ status: Status) { reply(to: call, LinkFrame(kind: .failure, call: call, head: status.linkHead)) }

    private func handle(_ frame: LinkFrame) {
        let call = frame.call
        do throws(Status) {
            switch frame.kind {
            case .runGraph:
                let request = try RunGraph(linkHead: frame.head, variants: variants)
                try worker.admit(request)
                // The worker moves the call to its pool, so that this thread continues to read.
                worker.runGraph(request, cancellation: try begin(call)) { [self] result in
                    do throws(Status) {
                        reply(to: call, LinkFrame(kind: .runGraphReply, call: call, head: try LinkFrame.checked(result.get().linkHead())))
                    } catch {
                        fail(call, error)
                    }
                }
            case .receiveTensor:
                let request = try ReceiveTensor(linkHead: frame.head)
                worker.receiveTensor(request, cancellation: try begin(call)) { [self] result in
                    do throws(Status) {
                        let delivery = try result.get()
                        let tensor = try LinkTensor(delivery)
                        reply(
                            to: call,
                            LinkFrame(
                                kind: .tensor, call: call, head: tensor.head, payload: tensor.dtype.isBitwise ? delivery.tensor : nil))
                    } catch {
                        fail(call, error)
                    }
                }
            case .receiveBuffer:
                let request = try ReceiveBuffer(linkHead: frame.head)
                worker.receiveBuffer(request, into: nil, cancellation: try begin(call)) { [self] result in
                    switch result {
                    case .success(let buffer): reply(to: call, with: buffer)
                    case .failure(let status): fail(call, status)
                    }
                }
            case .endGroup: worker.announceEnd(try EndGroup(linkHead: frame.head))
            case .cleanUp:
                var decoder = LinkHeadDecoder(frame.head)
                worker.forget(step: try decoder.integer())
            case .cancel:
                calls.withLock { $0.running[call] }?.cancel()
            case .hello, .runGraphReply, .tensor, .failure:
                throw .dataLoss("A link's message of kind \(frame.kind) is no call")
            }
        } catch {
            fail(call, error)
        }
    }
}
