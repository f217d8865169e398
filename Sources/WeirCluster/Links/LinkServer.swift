import Synchronization
import WeirGraph
import WeirTensor
import WeirWire

/// One link's calls, answered by this task's worker.
final class LinkServer: Sendable {
    private let link: Link
    private let worker: Worker
    private let variants: VariantDecoders
    private struct Calls {
        var running: [UInt64: Cancellation] = [:]
        /// One of the two sockets may still have messages when the other has ended.
        var haveEnded = false
    }
    private let calls = Mutex(Calls())
    /// More than any steps need at a time; a call beyond it fails.
    private static let maximumCalls = 1_000_000

    init(_ link: Link, worker: Worker, variants: VariantDecoders) {
        self.link = link
        self.worker = worker
        self.variants = variants
    }

    func start(_ onEnd: @escaping @Sendable () -> Void) {
        link.start(
            { [self] frame in handle(frame) },
            onEnd: { [self] _ in
                // Whoever asked is gone: nobody waits for the answers.
                let orphans = calls.withLock { calls in
                    defer { calls = Calls(haveEnded: true) }
                    return Array(calls.running.values)
                }
                for cancellation in orphans { cancellation.cancel() }
                onEnd()
            })
    }
    func close() { link.close() }

    private func begin(_ call: UInt64) throws(Status) -> Cancellation {
        let cancellation = Cancellation()
        return try calls.withLock { calls throws(Status) in
            guard !calls.haveEnded else { throw .unavailable("its link closed") }
            guard calls.running.count < LinkServer.maximumCalls else {
                throw .resourceExhausted("\(LinkServer.maximumCalls) calls of one link are under way at \(worker.task)")
            }
            calls.running[call] = cancellation
            return cancellation
        }
    }
    private func end(_ call: UInt64, _ frame: LinkFrame) {
        calls.withLock { _ = $0.running.removeValue(forKey: call) }
        // A link that breaks now has ended; the peer has noticed.
        try? link.send(frame)
    }
    private func fail(_ call: UInt64, _ status: Status) { end(call, LinkFrame(kind: .failure, call: call, head: status.linkHead)) }

    private func handle(_ frame: LinkFrame) {
        let call = frame.call
        do throws(Status) {
            switch frame.kind {
            case .runGraph:
                let request = try RunGraph(linkHead: frame.head, variants: variants)
                try worker.admit(request)
                let cancellation = try begin(call)
                worker.devices.client.pool.submit { [self] in
                    worker.runGraph(request, cancellation: cancellation) { [self] result in
                        do throws(Status) {
                            end(call, LinkFrame(kind: .runGraphReply, call: call, head: try LinkFrame.checked(result.get().linkHead())))
                        } catch {
                            fail(call, error)
                        }
                    }
                }
            case .receiveTensor:
                let request = try ReceiveTensor(linkHead: frame.head)
                worker.receiveTensor(request, cancellation: try begin(call)) { [self] result in
                    do throws(Status) {
                        let delivery = try result.get()
                        let tensor = try LinkTensor(delivery)
                        end(
                            call,
                            LinkFrame(
                                kind: .tensor, call: call, head: tensor.head, payload: tensor.dtype.isBitwise ? delivery.tensor : nil))
                    } catch {
                        fail(call, error)
                    }
                }
            case .cleanUp:
                var reader = LinkReader(frame.head)
                worker.forget(step: try reader.integer())
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
