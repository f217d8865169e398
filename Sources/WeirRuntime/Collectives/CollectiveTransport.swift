package import WeirGraph
package import WeirTensor

/// Passes tensors between the members of a group, by key. TensorFlow's `CollectiveRemoteAccess` and `BufRendezvous`.
///
/// A tensor that is sent waits for its receiver, and a receive waits for its tensor, in whichever order they come.
package protocol CollectiveTransport: AnyObject, Sendable {
    /// Makes a tensor available to one member. `sent` is called with nil when the receiver has it, or with the error. The elements
    /// do not change before that, or before a tensor arrives that was computed from them.
    func send(_ tensor: Tensor, _ key: CollectiveKey, to member: CollectiveGroup.Member, _ sent: @escaping @Sendable (Status?) -> Void)
    /// Receives a tensor from one member.
    /// - Parameters:
    ///   - byteCount: the number of bytes that the tensor must have.
    ///   - cancellation: ends the receive with an error.
    func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>)
    /// Receives a tensor from one member where it is wanted. A transport that reads from a socket or from shared memory may take the
    /// elements there, and then gives the destination's target. Any other gives a tensor of its own, which the caller copies or
    /// combines.
    func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, into destination: CollectiveDestination, cancellation: Cancellation,
        _ done: @escaping Completion<Tensor>)
    /// Ends the run's generation of the group: fails what waits and what will be sent or received for any of its runs, so that a
    /// member that is late does not wait for one that failed. It has no effect on a generation that has ended, or on later ones.
    /// The members of other tasks are told.
    func abort(_ run: CollectiveRun, _ group: CollectiveGroup, _ status: Status)
    /// Drops everything that is kept for a run that has ended on this member. All it has sent has been received.
    func end(_ run: CollectiveRun)
}

extension CollectiveTransport {
    /// Gives the transport's own tensor.
    package func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, into destination: CollectiveDestination, cancellation: Cancellation,
        _ done: @escaping Completion<Tensor>
    ) {
        receive(key, from: member, byteCount: destination.target.byteCount, cancellation: cancellation, done)
    }
}

/// One run of a collective operation. All members count the runs of an operation, so that they agree on the number.
package struct CollectiveRun: Sendable, Hashable {
    /// The key of the group.
    package var group: Int
    /// The generation of the group.
    package var generation: UInt64
    /// The key of the operation in the group.
    package var instance: Int
    /// How often this member has run the operation in this generation before.
    package var number: Int
    /// A run.
    package init(group: Int, generation: UInt64, instance: Int, number: Int) {
        self.group = group
        self.generation = generation
        self.instance = instance
        self.number = number
    }

    /// The name of what passes between two members in this run, in timelines: the same on both.
    var edge: String { "collective_\(group)_\(instance)_\(number)" }
}

/// One tensor that passes between two members.
package struct CollectiveKey: Sendable, Hashable {
    /// The run that the tensor belongs to.
    package var run: CollectiveRun
    /// The ranks of the sender and the receiver.
    package var source: Int, destination: Int
    /// The number of the tensor between these two in this run, as the algorithm counts it.
    package var part: Int
    /// A key.
    package init(run: CollectiveRun, source: Int, destination: Int, part: Int) {
        self.run = run
        self.source = source
        self.destination = destination
        self.part = part
    }
}

extension CollectiveKey: CustomStringConvertible {
    /// The key for error messages.
    package var description: String {
        "part \(part) from rank \(source) to rank \(destination) (group_key=\(run.group), instance_key=\(run.instance), run \(run.number))"
    }
}
