extension CollectiveSchedule {
    /// Every rank sends its tensor to every other: one step, for few ranks and small tensors.
    package static func exchangeGather(_ extent: CollectiveExtent) -> CollectiveSchedule {
        let all = 0..<extent.elementCount
        guard !all.isEmpty else { return CollectiveSchedule() }
        let part = CollectiveExtent.part(0, .spreading)
        return CollectiveSchedule(
            (0..<extent.memberCount).map { owner in
                let output = owner * all.count..<(owner + 1) * all.count
                guard owner == extent.rank else { return Piece(input: all, output: output, [.receive(from: owner, part: part, .copy)]) }
                return Piece(input: all, output: output, others(extent).map { .send(to: $0, part: part) } + [.place])
            })
    }

    /// Every rank sends one segment of its tensor to every other.
    package static func exchangeSegments(_ extent: CollectiveExtent) -> CollectiveSchedule {
        var pieces: [Piece] = []
        func add(_ input: Int, _ output: Int?, _ step: (Int) -> Step) {
            let from = extent.segment(of: input).lowerBound
            let to = output.map { extent.segment(of: $0).lowerBound }
            for (index, range) in extent.pieces(of: 0..<extent.segment(of: input).count).enumerated() {
                pieces.append(
                    Piece(
                        input: from + range.lowerBound..<from + range.upperBound, output: to.map { $0 + range.lowerBound..<$0 + range.upperBound },
                        [step(CollectiveExtent.part(index, .spreading))]))
            }
        }
        for other in others(extent) {
            add(other, nil) { .send(to: other, part: $0) }
            add(other, other) { .receive(from: other, part: $0, .copy) }
        }
        add(extent.rank, extent.rank) { _ in .place }
        return CollectiveSchedule(pieces)
    }

    /// Every rank sends its tensor to one other, or to itself.
    /// - Parameter target: for each rank, the one that gets its tensor; each rank once.
    package static func permutation(_ extent: CollectiveExtent, _ target: [Int]) -> CollectiveSchedule {
        let (destination, source) = (target[extent.rank], target.firstIndex(of: extent.rank) ?? extent.rank)
        return CollectiveSchedule(
            extent.pieces(of: 0..<extent.elementCount).enumerated().flatMap { index, range -> [Piece] in
                guard destination != extent.rank else { return [Piece(range, [.place])] }
                let part = CollectiveExtent.part(index, .spreading)
                return [
                    Piece(input: range, output: nil, [.send(to: destination, part: part)]), Piece(range, [.receive(from: source, part: part, .copy)]),
                ]
            })
    }

    /// The other ranks, beginning with the next one, so that not all ranks send to one at the same time.
    private static func others(_ extent: CollectiveExtent) -> [Int] {
        (1..<max(extent.memberCount, 1)).map { (extent.rank + $0) % extent.memberCount }
    }
}
