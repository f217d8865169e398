extension CollectiveSchedule {
    /// Recursive halving and doubling, for a number of members that is a power of two.
    ///
    /// In step s, ranks whose numbers differ in bit s alone exchange half of what they still have: each keeps the segments whose
    /// owner agrees with it in bit s, and adds what it receives. After log n steps each rank has the result of its own segment;
    /// log n more steps in reverse order spread the results. Each rank sends and receives 2(n-1)/n of the tensor, as in the
    /// ring, but in 2 log n steps instead of 2(n-1).
    ///
    /// As neighbours are first, the value of an element after step s is that of an aligned block of 2^(s+1) ranks: the sum is
    /// ((x0 + x1) + (x2 + x3)) + …, for every element and every rank.
    ///
    /// Thakur, Rabenseifner and Gropp, "Optimization of collective communication operations in MPICH", 2005. There the most
    /// distant ranks are first.
    package static func halvingDoublingReduce(_ extent: CollectiveExtent, scatters: Bool = false) -> CollectiveSchedule {
        let (rank, levelCount) = (extent.rank, extent.memberCount.trailingZeroBitCount)
        return bySegment(extent, scatters: scatters) { owner, piece in
            let differing = rank ^ owner
            // The rank has the segment up to the first bit in which it differs from the owner.
            let level = min(differing.trailingZeroBitCount, levelCount)
            let gathering = CollectiveExtent.part(piece, .gathering), spreading = CollectiveExtent.part(piece, .spreading)
            var steps: [Step] = (0..<level).map { bit in
                .receive(from: rank ^ (1 << bit), part: gathering, .combine(receivedIsLower: rank & (1 << bit) != 0))
            }
            let partner = rank ^ (1 << level)
            steps.append(level < levelCount ? .send(to: partner, part: gathering) : .divide)
            guard !scatters else { return steps }
            if level < levelCount { steps.append(.receive(from: partner, part: spreading, .copy)) }
            return steps + (0..<level).reversed().map { bit in .send(to: rank ^ (1 << bit), part: spreading) }
        }
    }

    /// Recursive doubling, for a number of members that is a power of two: in step s, ranks whose numbers differ in bit s alone
    /// exchange all they have, and both add. Each rank sends log n times the tensor, but in log n steps only. The order of the
    /// sum is that of halving and doubling.
    package static func recursiveDoublingReduce(_ extent: CollectiveExtent) -> CollectiveSchedule {
        let all = 0..<extent.elementCount
        guard !all.isEmpty else { return CollectiveSchedule() }
        let part = CollectiveExtent.part(0, .gathering)
        let steps = (0..<extent.memberCount.trailingZeroBitCount).flatMap { bit -> [Step] in
            let partner = extent.rank ^ (1 << bit)
            return [.send(to: partner, part: part), .receive(from: partner, part: part, .combine(receivedIsLower: partner < extent.rank))]
        }
        var schedule = CollectiveSchedule([Piece(all, steps + [.divide])])
        // The partner may not have read the value yet when its own arrives.
        schedule.overwritesSent = false
        return schedule
    }
}
