extension CollectiveSchedule {
    /// The ring: each rank sends to the next one. The elements are cut into one segment for each rank.
    ///
    /// In n-1 steps the partial result of a segment travels from the rank after its owner to the owner, and each rank adds its
    /// own elements; in n-1 more steps the result travels on to all. Each rank sends and receives 2(n-1)/n of the tensor, which
    /// is the least possible, and all links work at all times. The partial result is the left operand, so segment `s` is
    /// ((x[s+1] + x[s+2]) + …) + x[s]: a fixed order, but another one for each segment.
    ///
    /// Patarasuk and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009.
    package static func ringReduce(_ extent: CollectiveExtent, scatters: Bool = false) -> CollectiveSchedule {
        let (rank, count) = (extent.rank, extent.memberCount)
        return bySegment(extent, scatters: scatters) { owner, piece in
            var steps: [Step] = []
            let distance = (rank - owner - 1 + count) % count
            if distance > 0 {
                steps.append(.receive(from: extent.previous, part: CollectiveExtent.part(piece, .gathering), .combine(receivedIsLower: true)))
            }
            if distance < count - 1 {
                steps.append(.send(to: extent.next, part: CollectiveExtent.part(piece, .gathering)))
            } else {
                steps.append(.divide)
            }
            if !scatters { steps += ringSpread(extent, from: owner, piece) }
            return steps
        }
    }

    /// The ring's second half, with the tensor of each rank as its segment: all ranks get all tensors.
    package static func ringGather(_ extent: CollectiveExtent) -> CollectiveSchedule {
        var pieces: [Piece] = []
        for owner in 0..<extent.memberCount {
            for range in extent.pieces(of: 0..<extent.elementCount) {
                let start = owner * extent.elementCount
                let steps = ringSpread(extent, from: owner, pieces.count)
                pieces.append(
                    Piece(
                        input: range, output: start + range.lowerBound..<start + range.upperBound,
                        owner == extent.rank ? [.place] + steps : steps))
            }
        }
        return CollectiveSchedule(pieces)
    }

    /// The chain: each rank passes the pieces of the source's tensor on to the next. Each rank sends the tensor once, and all
    /// links work at once as soon as the first piece has passed.
    package static func chainBroadcast(_ extent: CollectiveExtent, from source: Int) -> CollectiveSchedule {
        CollectiveSchedule(
            extent.pieces(of: 0..<extent.elementCount).enumerated().map { index, range in Piece(range, ringSpread(extent, from: source, index)) })
    }

    /// The steps of a piece that travels from its owner around the ring, up to the rank before the owner.
    private static func ringSpread(_ extent: CollectiveExtent, from owner: Int, _ piece: Int) -> [Step] {
        let part = CollectiveExtent.part(piece, .spreading)
        var steps: [Step] = []
        if extent.rank != owner { steps.append(.receive(from: extent.previous, part: part, .copy)) }
        if extent.next != owner { steps.append(.send(to: extent.next, part: part)) }
        return steps
    }

}
