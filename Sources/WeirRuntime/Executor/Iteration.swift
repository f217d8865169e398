import Synchronization
import WeirGraph

/// One iteration of one frame: the input slots of its nodes, and what each node still waits for.
///
/// Each node has one atomic word. The low half counts the inputs that have not arrived; the high half counts the dead inputs
/// that have. The word of a Merge counts control edges that have not arrived and dead inputs, and has two flags for the first
/// live input: claimed, then written.
final class Iteration: @unchecked Sendable {  // a slot is written before the count that publishes it
    static let dead: Int64 = 1 << 32
    static let claimed: Int64 = 1 << 24
    static let arrived: Int64 = 1 << 25
    static let controls: Int64 = (1 << 24) - 1

    let slots: UnsafeMutablePointer<EdgeValue>
    let pending: UnsafeMutablePointer<Atomic<Int64>>
    private let slotCount: Int
    private let nodeCount: Int
    let number: Int
    /// The frame, which owns this iteration.
    unowned(unsafe) let frame: Frame

    // Guarded by the run's loop lock. Used only in graphs with loops.
    @exclusivity(unchecked) var outstanding = 0
    @exclusivity(unchecked) var outstandingFrames = 0

    init(_ layout: NodeTable.FrameLayout, number: Int, frame: Frame) {
        self.number = number
        self.frame = frame
        slotCount = layout.slotCount
        nodeCount = layout.pending.count
        slots = .allocate(capacity: max(slotCount, 1))
        slots.initialize(repeating: .empty, count: slotCount)
        pending = .allocate(capacity: max(nodeCount, 1))
        for index in 0..<nodeCount { pending.advanced(by: index).initialize(to: Atomic(layout.pending[index])) }
    }

    deinit {
        slots.deinitialize(count: slotCount)
        slots.deallocate()
        pending.deallocate()
    }

    /// Resets the iteration for another step.
    func reset(_ layout: NodeTable.FrameLayout) {
        for index in 0..<slotCount { slots[index] = .empty }
        layout.pending.withUnsafeBufferPointer { counts in
            for index in 0..<nodeCount { pending[index].store(counts[index], ordering: .relaxed) }
        }
    }

    /// Delivers a value along an edge.
    /// - Returns: whether the edge's target node is now ready, and whether it is dead.
    @inline(__always)
    func deliver(_ value: consuming EdgeValue, _ edge: NodeTable.Edge, _ entry: UnsafeMutablePointer<NodeTable.Entry>) -> (ready: Bool, dead: Bool) {
        let word = pending + Int(entry.pointee.pendingIndex)
        let isDead = value.isDead
        if !edge.leadsToMerge {
            if edge.slot >= 0 { slots[Int(edge.slot)] = value }
            let now = word.pointee.wrappingAdd(isDead ? Iteration.dead - 1 : -1, ordering: .acquiringAndReleasing).newValue
            return (now & 0xFFFF_FFFF == 0, now >> 32 != 0)
        }
        return deliverToMerge(value, isDead, edge, word, entry)
    }

    private func deliverToMerge(
        _ value: consuming EdgeValue, _ isDead: Bool, _ edge: NodeTable.Edge, _ word: UnsafeMutablePointer<Atomic<Int64>>,
        _ entry: UnsafeMutablePointer<NodeTable.Entry>
    ) -> (ready: Bool, dead: Bool) {
        let threshold = Int64(entry.pointee.deadThreshold)
        if edge.slot < 0 {
            let now = word.pointee.wrappingSubtract(1, ordering: .acquiringAndReleasing).newValue
            guard now & Iteration.controls == 0 else { return (false, false) }
            if now & Iteration.arrived != 0 { return (true, false) }
            return (now & Iteration.claimed == 0 && now >> 32 >= threshold, true)
        }
        if isDead {
            let now = word.pointee.wrappingAdd(Iteration.dead, ordering: .acquiringAndReleasing).newValue
            return (now & (Iteration.controls | Iteration.claimed) == 0 && now >> 32 == threshold, true)
        }
        // Only the first live input counts. Its slot is written after the claimed flag is set and before the arrived flag is.
        guard word.pointee.bitwiseOr(Iteration.claimed, ordering: .acquiringAndReleasing).oldValue & Iteration.claimed == 0 else {
            return (false, false)
        }
        slots[Int(edge.slot)] = value
        let before = word.pointee.bitwiseOr(Iteration.arrived, ordering: .acquiringAndReleasing).oldValue
        return (before & Iteration.controls == 0, false)
    }
}

/// One execution of a loop, or the graph outside of all loops.
final class Frame: @unchecked Sendable {  // guarded by the run's loop lock
    let layoutIndex: Int
    let id: UInt64
    /// The frame from which this one was entered, which owns it, and the iteration there. Nil for the root frame.
    unowned(unsafe) let parent: Frame?
    unowned(unsafe) let parentIteration: Iteration?
    @exclusivity(unchecked) var iterations: [Int: Iteration] = [:]
    @exclusivity(unchecked) var lastIteration = 0
    @exclusivity(unchecked) var outstandingIterations = 1
    @exclusivity(unchecked) var outstandingEnters: Int
    @exclusivity(unchecked) var invariants: [(node: Int32, value: EdgeValue)] = []
    /// Values for the next iteration, while `parallelIterations` iterations are running and it may not start.
    @exclusivity(unchecked) var waiting: [(node: Int32, value: EdgeValue)] = []
    /// The Exit nodes that were dead in the latest iteration.
    @exclusivity(unchecked) var deadExits: [Int32] = []
    /// The frames entered from this one, by iteration and by the loop's layout.
    @exclusivity(unchecked) var children: [Child: Frame] = [:]

    struct Child: Hashable {
        let iteration: Int
        let layout: Int
    }

    init(layoutIndex: Int, id: UInt64, parent: Frame?, parentIteration: Iteration?, enterCount: Int) {
        self.layoutIndex = layoutIndex
        self.id = id
        self.parent = parent
        self.parentIteration = parentIteration
        outstandingEnters = enterCount
    }
}
