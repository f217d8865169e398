package import WeirGraph
package import WeirTensor

/// Finds out who takes part in a collective operation. TensorFlow's `CollectiveParamResolverInterface`.
package protocol CollectiveResolver: AnyObject, Sendable {
    /// Adds a device to its group and waits until the group has all its members.
    ///
    /// A device that asks again gets the same group. Fails with `invalidArgument` when members disagree on the size or on the
    /// type of their devices, or when a group that is complete is asked for by another device.
    func group(of member: CollectiveGroup.Member, _ operation: CollectiveOperation, _ done: @escaping Completion<CollectiveGroup>)
    /// The rank of the source of a broadcast, when all members have asked. Fails with `invalidArgument` when members disagree on
    /// kind, element type or shape, or when there is not one source.
    func sourceRank(_ operation: CollectiveOperation, in group: CollectiveGroup, rank: Int, _ done: @escaping Completion<Int>)
    /// Forgets a group after a failure of one of its runs: a member that asks again begins a new generation. Fails those who wait
    /// for the source of a broadcast in it. It has no effect if the group has a newer generation.
    func leave(_ group: CollectiveGroup, _ status: Status)
}
