extension CollectiveSchedule {
    /// The binomial tree: in step s, a rank that is an odd multiple of 2^s sends its value to the rank 2^s before it, which adds.
    /// Rank 0 then has the result, which goes back the same way. For a power of two the order of the sum is that of halving and
    /// doubling; for other numbers the ranks that are missing are left out, as in ((x0 + x1) + (x2 + x3)) + x4.
    package static func treeReduce(_ extent: CollectiveExtent) -> CollectiveSchedule {
        let (rank, count) = (extent.rank, extent.memberCount)
        let all = 0..<extent.elementCount
        guard !all.isEmpty else { return CollectiveSchedule() }
        let gathering = CollectiveExtent.part(0, .gathering)
        var steps: [Step] = []
        var bit = 1
        while bit < count, rank & bit == 0 {
            if rank + bit < count { steps.append(.receive(from: rank + bit, part: gathering, .combine(receivedIsLower: false))) }
            bit <<= 1
        }
        steps.append(rank == 0 ? .divide : .send(to: rank - bit, part: gathering))
        return CollectiveSchedule([Piece(all, steps + treeSpread(extent, from: 0, 0))])
    }

    /// The binomial tree whose root is the source: log n steps.
    package static func treeBroadcast(_ extent: CollectiveExtent, from source: Int) -> CollectiveSchedule {
        CollectiveSchedule(
            extent.pieces(of: 0..<extent.elementCount).enumerated().map { index, range in Piece(range, treeSpread(extent, from: source, index)) })
    }

    /// The steps of a piece that goes from the root of a tree to all others. A rank's number in the tree counts from the root.
    private static func treeSpread(_ extent: CollectiveExtent, from root: Int, _ piece: Int) -> [Step] {
        let count = extent.memberCount
        let place = (extent.rank - root + count) % count
        let part = CollectiveExtent.part(piece, .spreading)
        func rank(at place: Int) -> Int { (place + root) % count }
        var steps: [Step] = []
        var bit = 1
        while bit < count, place & bit == 0 { bit <<= 1 }
        if place != 0 { steps.append(.receive(from: rank(at: place - bit), part: part, .copy)) }
        // The largest subtree first: it takes the longest.
        while bit > 1 {
            bit >>= 1
            if place + bit < count { steps.append(.send(to: rank(at: place + bit), part: part)) }
        }
        return steps
    }
}
