package import WeirGraph
package import WeirTensor

/// Passes tensors between the devices of one process. A receiver gets the sender's tensor itself; nothing is copied.
package final class LocalCollectiveTransport: CollectiveTransport {
    private let mailbox = CollectiveMailbox()

    /// A transport on which nothing has been sent.
    package init() {}

    /// The number of tensors and of receivers that wait.
    package var waitingCount: Int { mailbox.count }

    package func send(_ tensor: Tensor, _ key: CollectiveKey, to member: CollectiveGroup.Member, _ sent: @escaping @Sendable (Status?) -> Void) {
        mailbox.send(CollectiveBuffer(tensor, sent: sent), key)
    }

    package func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>
    ) {
        mailbox.take(key, byteCount: byteCount, cancellation: cancellation, done)
    }

    package func abort(_ run: CollectiveRun, _ group: CollectiveGroup, _ status: Status) { mailbox.fail(run.group, run.generation, status) }

    /// Does nothing: what a run has sent was received, and is not kept.
    package func end(_ run: CollectiveRun) {}
}
