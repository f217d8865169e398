import Testing

@testable import WeirRuntime

/// The algorithms as values: what all members do together, without threads and without numbers. An element is the text of the sum
/// that it stands for.
@Suite("Schedules of collective operations")
struct CollectiveScheduleTests {
    typealias Make = @Sendable (CollectiveExtent) -> CollectiveSchedule

    /// Runs the schedules of all members until none can go on. Gives their results; nil if a member waits for ever or a message is left.
    private func run(_ inputs: [[String]], resultCount: Int, _ make: Make) -> [[String]]? {
        let schedules = inputs.enumerated().map { rank, input in
            make(CollectiveExtent(rank: rank, memberCount: inputs.count, elementCount: input.count, elementByteCount: 4))
        }
        var results = inputs.map { _ in [String](repeating: "?", count: resultCount) }
        var progress = schedules.map { $0.pieces.map { (step: 0, piece: $0, value: [String]?.none) } }
        var messages: [[Int]: [String]] = [:]
        var hasMoved = true
        while hasMoved {
            hasMoved = false
            for rank in inputs.indices {
                for index in progress[rank].indices {
                    let piece = progress[rank][index].piece
                    func take(_ value: [String]) {
                        progress[rank][index].value = value
                        if let output = piece.output { results[rank].replaceSubrange(output, with: value) }
                    }
                    while progress[rank][index].step < piece.steps.count {
                        let value = progress[rank][index].value ?? Array(inputs[rank][piece.input])
                        switch piece.steps[progress[rank][index].step] {
                        case .send(let to, let part):
                            if messages.updateValue(value, forKey: [rank, to, part]) != nil { return nil }
                        case .place: take(value)
                        case .divide: break
                        case .receive(let from, let part, let use):
                            guard let message = messages.removeValue(forKey: [from, rank, part]) else { break }
                            switch use {
                            case .copy: take(message)
                            case .combine(let receivedIsLower):
                                take(zip(receivedIsLower ? message : value, receivedIsLower ? value : message).map { "(\($0)+\($1))" })
                            }
                            hasMoved = true
                            progress[rank][index].step += 1
                            continue
                        }
                        if case .receive = piece.steps[progress[rank][index].step] { break }
                        hasMoved = true
                        progress[rank][index].step += 1
                    }
                }
            }
        }
        let isDone = progress.allSatisfy { $0.allSatisfy { $0.step == $0.piece.steps.count } }
        return isDone && messages.isEmpty ? results : nil
    }

    private func inputs(_ members: Int, _ count: Int) -> [[String]] { (0..<members).map { rank in (0..<count).map { "x\(rank).\($0)" } } }

    /// The balanced binary tree; where ranks are missing, what is left of it.
    private func tree(_ element: Int, _ ranks: Range<Int>) -> String {
        if ranks.count == 1 { return "x\(ranks.lowerBound).\(element)" }
        var half = 1
        while half * 2 < ranks.count { half *= 2 }
        let middle = ranks.lowerBound + half
        return "(\(tree(element, ranks.lowerBound..<middle))+\(tree(element, middle..<ranks.upperBound)))"
    }

    @Test("for a power of two members every algorithm sums in the order of the balanced tree", arguments: [2, 4, 8, 16], [0, 1, 3, 5, 100])
    func powersOfTwo(_ members: Int, _ count: Int) {
        let expected = inputs(members, count).map { _ in (0..<count).map { tree($0, 0..<members) } }
        let makers: [Make] = [
            { .halvingDoublingReduce($0) }, { .recursiveDoublingReduce($0) }, { .treeReduce($0) },
        ]
        for make in makers { #expect(run(inputs(members, count), resultCount: count, make) == expected) }
    }

    @Test("a tree sums in the same order without the missing ranks", arguments: [3, 5, 6, 7, 9])
    func trees(_ members: Int) {
        let expected = inputs(members, 4).map { _ in (0..<4).map { tree($0, 0..<members) } }
        #expect(run(inputs(members, 4), resultCount: 4) { .treeReduce($0) } == expected)
    }

    @Test("a ring sums each segment from the rank after its owner on", arguments: 2...9, [0, 1, 5, 100])
    func rings(_ members: Int, _ count: Int) {
        var expected: [String] = []
        let extent = CollectiveExtent(rank: 0, memberCount: members, elementCount: count, elementByteCount: 4)
        for owner in 0..<members {
            for element in extent.segment(of: owner) {
                expected.append((1...members).map { "x\((owner + $0) % members).\(element)" }.reduce("") { $0.isEmpty ? $1 : "(\($0)+\($1))" })
            }
        }
        #expect(run(inputs(members, count), resultCount: count) { .ringReduce($0) } == inputs(members, count).map { _ in expected })
    }

    @Test("a reduction that scatters gives each rank its part", arguments: 2...9)
    func scatters(_ members: Int) throws {
        let count = 3 * members
        let inputs = inputs(members, count)
        let whole = try #require(run(inputs, resultCount: count) { .ringReduce($0) })[0]
        let parts = try #require(run(inputs, resultCount: 3) { .ringReduce($0, scatters: true) })
        #expect(parts.flatMap { $0 } == whole)
        guard members.nonzeroBitCount == 1 else { return }
        let halves = try #require(run(inputs, resultCount: 3) { .halvingDoublingReduce($0, scatters: true) })
        #expect(halves.flatMap { $0 } == (0..<count).map { tree($0, 0..<members) })
    }

    @Test("a broadcast reaches all ranks, from any source", arguments: 2...9)
    func broadcasts(_ members: Int) throws {
        for source in 0..<members {
            let makers: [Make] = [{ .treeBroadcast($0, from: source) }, { .chainBroadcast($0, from: source) }]
            for make in makers {
                let results = try #require(run(inputs(members, 5), resultCount: 5, make))
                for rank in 0..<members where rank != source { #expect(results[rank] == inputs(members, 5)[source]) }
            }
        }
    }

    @Test("gathers, exchanges and permutations put each part where it belongs", arguments: 2...9)
    func moves(_ members: Int) throws {
        let inputs = inputs(members, 2 * members)
        let all = inputs.flatMap { $0 }
        let makers: [Make] = [{ .ringGather($0) }, { .exchangeGather($0) }]
        for make in makers { #expect(run(inputs, resultCount: all.count, make) == inputs.map { _ in all }) }
        let exchanged = try #require(run(inputs, resultCount: 2 * members) { .exchangeSegments($0) })
        for rank in 0..<members { #expect(exchanged[rank] == inputs.flatMap { $0[2 * rank..<2 * rank + 2] }) }
        let target = (0..<members).map { ($0 * (members > 2 ? members - 1 : 1) + 1) % members }
        let permuted = try #require(run(inputs, resultCount: 2 * members) { .permutation($0, target) })
        for rank in 0..<members { #expect(permuted[target[rank]] == inputs[rank]) }
    }

    @Test("pieces cover a range without gaps, are not too large, and are not too many")
    func pieces() {
        for count in [0, 1, 1000, 131_072, 131_073, 1_000_000, 100_000_000] {
            let pieces = CollectiveExtent(rank: 0, memberCount: 2, elementCount: count, elementByteCount: 4).pieces(of: 7..<7 + count)
            #expect(pieces.reduce(7) { $1.lowerBound == $0 ? $1.upperBound : -1 } == 7 + count)
            #expect(pieces.count <= CollectiveExtent.maximumPieceCount && pieces.allSatisfy { !$0.isEmpty })
            if count <= 1_000_000 { #expect(pieces.allSatisfy { $0.count * 4 <= CollectiveExtent.pieceByteCount }) }
        }
    }

    @Test("the choice of algorithm depends on size, number and hint, but a power of two keeps its order")
    func choice() {
        let small = CollectiveAlgorithm.smallByteCount
        #expect(CollectiveAlgorithm.choose(byteCount: small, members: 4, hint: "auto") == .recursiveDoubling)
        #expect(CollectiveAlgorithm.choose(byteCount: small + 1, members: 4, hint: "ring") == .halvingDoubling)
        #expect(CollectiveAlgorithm.choose(byteCount: small, members: 3, hint: "auto") == .tree)
        #expect(CollectiveAlgorithm.choose(byteCount: small, members: 3, hint: "ring") == .ring)
        #expect(CollectiveAlgorithm.choose(byteCount: small + 1, members: 3, hint: "nccl") == .ring)
    }
}
