package import WeirGraph

/// How the members of a group do an operation.
///
/// **Bits.** A reduction has a fixed order: every member gets the same bits, in every run. If the number of members is a power of
/// two, the order is the balanced binary tree over the ranks, (((0+1)+(2+3))+((4+5)+(6+7))), whatever the algorithm. So a member
/// that first sums some of the tensors itself in that order gets the bits that more members would get. For other numbers the
/// order depends on the algorithm, and so on the size: see `CollectiveSchedule.treeReduce` and `ringReduce`.
package enum CollectiveAlgorithm: Int, Sendable, CaseIterable {
    /// Steps along a ring: the fewest bytes, the most steps.
    case ring
    /// Recursive halving and doubling: the fewest bytes, few steps; a power of two members.
    case halvingDoubling
    /// Recursive doubling: the fewest steps, more bytes; a power of two members.
    case recursiveDoubling
    /// A binomial tree.
    case tree
    /// Each member sends to each other one.
    case exchange

    /// Up to this size a message takes as long as an empty one, to within a factor of two: so fewer steps are better than fewer
    /// bytes.
    package static let smallByteCount = 32 << 10
    /// Up to this number of members it is better to send a small tensor to each other member than to pass it around a ring.
    package static let fewMembers = 8

    /// The algorithm of a reduction.
    /// - Parameters:
    ///   - byteCount: the size of each member's tensor.
    ///   - hint: the op's `communication_hint`. `ring` asks for the ring, which a power of two members do not follow: the order of
    ///     the sum is worth more, and halving and doubling moves as few bytes. All other hints leave the choice free.
    package static func choose(byteCount: Int, members: Int, hint: String) -> CollectiveAlgorithm {
        let isSmall = byteCount <= smallByteCount
        if members.nonzeroBitCount == 1 { return isSmall ? .recursiveDoubling : .halvingDoubling }
        return isSmall && hint != "ring" ? .tree : .ring
    }

    /// The algorithm of an operation.
    package init(_ operation: CollectiveOperation, _ extent: CollectiveExtent) {
        let isSmall = extent.byteCount <= CollectiveAlgorithm.smallByteCount
        switch operation.kind {
        case .reduce:
            self = .choose(byteCount: extent.byteCount, members: extent.memberCount, hint: operation.communicationHint)
        case .reduceScatter: self = extent.memberCount.nonzeroBitCount == 1 ? .halvingDoubling : .ring
        case .gather: self = isSmall && extent.memberCount <= CollectiveAlgorithm.fewMembers ? .exchange : .ring
        // With three members or more, the source of a tree would send the tensor more than once.
        case .broadcast: self = isSmall || extent.memberCount <= 2 ? .tree : .ring
        case .allToAll, .permute, .join: self = .exchange
        }
    }

    /// What this member does.
    /// - Parameter source: the rank of the source of a broadcast.
    package func schedule(_ kind: CollectiveOperation.Kind, _ extent: CollectiveExtent, source: Int) -> CollectiveSchedule {
        guard extent.memberCount > 1 else { return CollectiveSchedule() }
        switch kind {
        case .reduce:
            switch self {
            case .ring, .exchange: return .ringReduce(extent)
            case .halvingDoubling: return .halvingDoublingReduce(extent)
            case .recursiveDoubling: return .recursiveDoublingReduce(extent)
            case .tree: return .treeReduce(extent)
            }
        case .reduceScatter:
            return self == .halvingDoubling ? .halvingDoublingReduce(extent, scatters: true) : .ringReduce(extent, scatters: true)
        case .gather: return self == .exchange ? .exchangeGather(extent) : .ringGather(extent)
        case .broadcast: return self == .tree ? .treeBroadcast(extent, from: source) : .chainBroadcast(extent, from: source)
        case .allToAll: return .exchangeSegments(extent)
        case .permute(let target): return .permutation(extent, target)
        case .join: return CollectiveSchedule()
        }
    }
}
