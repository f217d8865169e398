package import WeirGraph
package import WeirRuntime
package import WeirTensor

extension Worker {
    /// Adds a device to a group that this task leads.
    package func completeGroup(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>) {
        collectives.led.complete(request, cancellation: cancellation, done)
    }

    /// Adds a member to a broadcast in a group that this task leads.
    package func completeInstance(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>) {
        collectives.led.complete(request, cancellation: cancellation, done)
    }

    /// Returns the next step id of each graph key.
    package func stepSequence(_ graphKeys: [Int]) async throws -> [Int: Int] { collectives.sequences.ids(graphKeys) }

    /// Returns a tensor that a member on this task sends.
    package func receiveBuffer(
        _ request: ReceiveBuffer, into destination: CollectiveDestination?, cancellation: Cancellation, _ done: @escaping Completion<CollectiveBuffer>
    ) {
        do throws(Status) {
            try requests.record(request.requestID, method: "RecvBuf (Worker)")
            try check(request.source)
        } catch {
            return done(.failure(error))
        }
        collectives.mailbox.receive(request.key, byteCount: request.byteCount, cancellation: cancellation, done)
    }

    /// Checks that a member of a peer's group is a device of this task, which has not restarted since.
    private func check(_ member: CollectiveGroup.Member) throws(Status) {
        // Sessions with their own cluster use other jobs and tasks in the names of the same devices.
        let (type, index) = (member.device.type, member.device.index)
        guard let device = devices.places.first(where: { $0.device.name.type == type && $0.device.name.index == index })?.device else {
            throw .invalidArgument("RecvBuf: the source \(member.device) is not a device of \(task)")
        }
        guard device.incarnation == member.incarnation else {
            throw .failedPrecondition(
                "RecvBuf expects a different device incarnation: \(member.incarnation) vs. \(device.incarnation). Your worker job "
                    + "(\"\(task)\") was probably restarted. Check your worker job for the reason why it was restarted.")
        }
    }

    /// Ends a group. Does nothing if this task does not know it.
    package func endGroup(_ request: EndGroup) async throws { collectives.end(request) }
    /// As `endGroup`.
    package func announceEnd(_ request: EndGroup) { collectives.end(request) }

    /// Waits until a group that this task leads ends.
    package func watchGroup(_ request: WatchGroup, cancellation: Cancellation, _ done: @escaping Completion<Void>) {
        collectives.watch(request, cancellation: cancellation, done)
    }
}
