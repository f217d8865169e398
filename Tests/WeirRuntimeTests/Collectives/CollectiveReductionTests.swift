import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

/// The bits of reductions: those of a fixed order, on every member.
@Suite("Bits of reductions", .timeLimit(.minutes(5)))
struct CollectiveReductionTests {
    private static let sizes = [0, 1, 3, 5, 1000]
    private static let reductions: [CollectiveReduction] = [.init(.add), .init(.add, .divide), .init(.multiply), .init(.min), .init(.max, .divide)]

    @Test("float32", arguments: 1...9) func float32(_ members: Int) throws { try compare(Float.self, members) }
    @Test("float64", arguments: 1...9) func float64(_ members: Int) throws { try compare(Double.self, members) }
    @Test("float16", arguments: 1...9) func float16(_ members: Int) throws { try compare(Float16.self, members) }
    @Test("bfloat16", arguments: 1...9) func bfloat16(_ members: Int) throws { try compare(BFloat16.self, members) }
    @Test("int32", arguments: 1...9) func int32(_ members: Int) throws { try compare(Int32.self, members) }
    @Test("int64", arguments: 1...9) func int64(_ members: Int) throws { try compare(Int64.self, members) }

    private func compare<E: ReducedElement>(_ type: E.Type, _ members: Int) throws {
        let group = CollectiveMembers(members)
        var instance = 0
        for (size, reduction) in Self.sizes.flatMap({ size in Self.reductions.map { (size, $0) } }) + [(70_001, .init(.add, .divide))] {
            instance += 1
            let values = (0..<members).map { rank in (0..<size).map { E(seed: rank &* 70_001 &+ $0) } }
            let expected = Tensor(Self.expected(values, reduction))
            let results = try group.run(.reduce(reduction), values.map { Tensor($0) }, instance: instance)
            for result in results {
                #expect(result.dtype == E.dtype && result.shape == Shape(size))
                #expect(Array(result.bytes) == Array(expected.bytes), "\(reduction) of \(size) elements")
            }
        }
        #expect(group.transport.waitingCount == 0)
    }

    private static func expected<E: ReducedElement>(_ values: [[E]], _ reduction: CollectiveReduction) -> [E] {
        let members = values.count, size = values[0].count
        let extent = CollectiveExtent(rank: 0, memberCount: members, elementCount: size, elementByteCount: E.dtype.byteCount)
        let isRing = members.nonzeroBitCount != 1 && extent.byteCount > CollectiveAlgorithm.smallByteCount
        func tree(_ ranks: Range<Int>, _ element: Int) -> E {
            if ranks.count == 1 { return values[ranks.lowerBound][element] }
            var half = 1
            while half * 2 < ranks.count { half *= 2 }
            let middle = ranks.lowerBound + half
            return E.merge(reduction.merge, tree(ranks.lowerBound..<middle, element), tree(middle..<ranks.upperBound, element))
        }
        func ring(_ owner: Int, _ element: Int) -> E {
            var sum = values[(owner + 1) % members][element]
            for distance in 2..<members + 1 { sum = E.merge(reduction.merge, sum, values[(owner + distance) % members][element]) }
            return sum
        }
        let combined =
            isRing
            ? (0..<members).flatMap { owner in extent.segment(of: owner).map { ring(owner, $0) } } : (0..<size).map { tree(0..<members, $0) }
        return reduction.final == .divide ? combined.map { $0.divided(by: members) } : combined
    }

    @Test("a member that sums tensors in the order of the tree itself gets the bits of more members")
    func shards() throws {
        let size = 20_000
        let shards = (0..<8).map { shard in (0..<size).map { Float(seed: shard &* size &+ $0) } }
        func sum(_ range: Range<Int>) -> [Float] {
            if range.count == 1 { return shards[range.lowerBound] }
            let middle = range.lowerBound + range.count / 2
            return zip(sum(range.lowerBound..<middle), sum(middle..<range.upperBound)).map { $0 + $1 }
        }
        let expected = sum(0..<8)
        for members in [1, 2, 4, 8] {
            let each = 8 / members
            let results = try CollectiveMembers(members).run(.reduce(.init(.add)), (0..<members).map { Tensor(sum($0 * each..<($0 + 1) * each)) })
            for result in results { #expect(try result.array(of: Float.self) == expected) }
        }
    }

    @Test("-0 and 0 are told apart: the operand of the lower ranks comes first", arguments: [2, 4, 8])
    func signedZeros(_ members: Int) throws {
        let values = (0..<members).map { Tensor([$0 == 0 ? -0.0 : 0.0, $0 == 0 ? 0.0 : -0.0] as [Float]) }
        let results = try CollectiveMembers(members).run(.reduce(.init(.max)), values)
        for result in results { #expect(Array(result.bytes) == Array(results[0].bytes)) }
    }

    @Test("the inputs are not changed, and a result is the member's own")
    func inputs() throws {
        let inputs = (0..<4).map { Tensor([Float](repeating: Float($0), count: 100_000)) }
        let results = try CollectiveMembers(4).run(.reduce(.init(.add)), inputs)
        for (rank, input) in inputs.enumerated() { #expect(try input.array(of: Float.self).allSatisfy { $0 == Float(rank) }) }
        for (rank, result) in results.enumerated() {
            #expect(try result.array(of: Float.self).allSatisfy { $0 == 6 })
            for other in results[..<rank] { #expect(!result.sharesMemory(with: other)) }
        }
    }
}

/// The arithmetic of an element type, written without the loops that are tested.
private protocol ReducedElement: TensorElement {
    init(seed: Int)
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Self, _ b: Self) -> Self
    func divided(by count: Int) -> Self
}

private func scrambled(_ seed: Int) -> Int { Int(truncatingIfNeeded: (UInt64(seed) &+ 1) &* 0x9E37_79B9_7F4A_7C15 >> 20) }
/// A number between 0.5 and 1.5, of either sign, whose sums are rounded.
private func roundedNumber(_ seed: Int) -> Double {
    let bits = scrambled(seed)
    return (bits & 1 == 0 ? 1 : -1) * (0.5 + Double((bits >> 1) % 1009) / 1009)
}
private func merged<T: Comparable>(_ merge: CollectiveReduction.Merge, _ a: T, _ b: T, sum: T, product: T) -> T {
    switch merge {
    case .min: min(a, b)
    case .max: max(a, b)
    case .add: sum
    case .multiply: product
    }
}
extension Float: ReducedElement {
    init(seed: Int) { self = Float(roundedNumber(seed)) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Float, _ b: Float) -> Float { merged(merge, a, b, sum: a + b, product: a * b) }
    func divided(by count: Int) -> Float { self / Float(count) }
}
extension Double: ReducedElement {
    init(seed: Int) { self = roundedNumber(seed) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Double, _ b: Double) -> Double { merged(merge, a, b, sum: a + b, product: a * b) }
    func divided(by count: Int) -> Double { self / Double(count) }
}
extension Float16: ReducedElement {
    init(seed: Int) { self = Float16(roundedNumber(seed)) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Float16, _ b: Float16) -> Float16 {
        Float16(Float.merge(merge, Float(a), Float(b)))
    }
    func divided(by count: Int) -> Float16 { Float16(Float(self) / Float(count)) }
}
extension BFloat16: ReducedElement {
    init(seed: Int) { self.init(Float(roundedNumber(seed))) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: BFloat16, _ b: BFloat16) -> BFloat16 {
        BFloat16(Float.merge(merge, a.float, b.float))
    }
    func divided(by count: Int) -> BFloat16 { BFloat16(float / Float(count)) }
}
extension Int32: ReducedElement {
    init(seed: Int) { self = Int32(truncatingIfNeeded: scrambled(seed) % 20_001 - 10_000) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Int32, _ b: Int32) -> Int32 { merged(merge, a, b, sum: a &+ b, product: a &* b) }
    func divided(by count: Int) -> Int32 { self / Int32(count) }
}
extension Int64: ReducedElement {
    init(seed: Int) { self = Int64(scrambled(seed) % 2_000_000_001 - 1_000_000_000) }
    static func merge(_ merge: CollectiveReduction.Merge, _ a: Int64, _ b: Int64) -> Int64 { merged(merge, a, b, sum: a &+ b, product: a &* b) }
    func divided(by count: Int) -> Int64 { self / Int64(count) }
}
