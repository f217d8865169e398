/// The bounds on the differences of clocks: a graph whose nodes are clocks. An edge from `a` to `b` of weight `w` means
/// `offset(b) <= offset(a) + w`. Sums of weights of 64 bits need more than 64.
struct ClockBounds {
    private struct Edge: Hashable {
        let from: Int
        let to: Int
    }
    /// The clocks, the reference first.
    private let clocks: [String]
    private var edges: [(from: Int, to: Int, weight: Int128)]
    /// How much each weight was increased.
    private var relaxation: Int128 = 0

    init(_ observations: [ClockAlignment.Observation], reference: String) {
        let names = Set(observations.flatMap { [$0.earlier.clock, $0.later.clock] }).subtracting([reference])
        clocks = [reference] + names.sorted()
        let positions = Dictionary(uniqueKeysWithValues: clocks.enumerated().map { ($1, $0) })
        var tightest: [Edge: Int128] = [:]
        for observation in observations {
            guard let from = positions[observation.earlier.clock], let to = positions[observation.later.clock], from != to else { continue }
            let weight = Int128(observation.later.time) - Int128(observation.earlier.time)
            tightest[Edge(from: from, to: to), default: weight] = min(tightest[Edge(from: from, to: to)] ?? weight, weight)
        }
        edges = tightest.map { ($0.key.from, $0.key.to, $0.value) }.sorted { ($0.from, $0.to) < ($1.from, $1.to) }
    }

    /// Increases all weights by the smallest number with which the bounds do not contradict each other.
    /// - Returns: that number.
    mutating func relax() -> Int128 {
        guard !isFeasible(with: 0) else { return 0 }
        // Without negative edges there is no contradiction, so this is enough.
        var (low, high) = (Int128(0), -(edges.lazy.map(\.weight).min() ?? 0))
        while high - low > 1 {
            let middle = (low + high) / 2
            if isFeasible(with: middle) { high = middle } else { low = middle }
        }
        relaxation = high
        for index in edges.indices { edges[index].weight += high }
        return high
    }

    /// Whether there are offsets within the bounds: whether the graph has no cycle of negative length.
    private func isFeasible(with relaxation: Int128) -> Bool {
        // As if from a further node with an edge of weight 0 to each clock.
        var distances = [Int128](repeating: 0, count: clocks.count)
        for _ in 0..<clocks.count {
            var isChanged = false
            for edge in edges where distances[edge.from] + edge.weight + relaxation < distances[edge.to] {
                distances[edge.to] = distances[edge.from] + edge.weight + relaxation
                isChanged = true
            }
            if !isChanged { return true }
        }
        return false
    }

    /// The offsets of all clocks. Call `relax` before.
    func offsets() -> [String: ClockAlignment.Offset] {
        var chosen = [Int128?](repeating: nil, count: clocks.count)
        var errors = [Int128?](repeating: nil, count: clocks.count)
        (chosen[0], errors[0]) = (0, 0)
        /// Only what is bounded by the reference itself has a known error.
        var isCertain = true
        while chosen.contains(where: { $0 == nil }) {
            let (lower, upper) = (lowerBounds(chosen), upperBounds(chosen))
            let open = clocks.indices.filter { chosen[$0] == nil }
            var isChanged = false
            for clock in open {
                guard let low = lower[clock], let high = upper[clock] else { continue }
                // Rounded down for all, as the bounds are differences: the middles keep them.
                let middle = (low + high) >> 1
                chosen[clock] = middle
                if isCertain { errors[clock] = high - middle + relaxation }
                isChanged = true
            }
            isCertain = false
            // One at a time, because each choice bounds the other clocks. Any choice within its bounds leaves others theirs.
            if !isChanged, let clock = open.first(where: { lower[$0] != nil || upper[$0] != nil }) ?? open.first {
                chosen[clock] = upper[clock] ?? lower[clock] ?? 0
            }
        }
        return Dictionary(
            uniqueKeysWithValues: clocks.indices.map { clock in
                let offset = ClockAlignment.Offset(
                    nanoseconds: Int(clamping: chosen[clock] ?? 0), errorBound: errors[clock].map { Int(clamping: $0) })
                return (clocks[clock], offset)
            })
    }

    /// The largest offset that each clock may have, given those that are chosen; nil if there is no limit.
    private func upperBounds(_ chosen: [Int128?]) -> [Int128?] {
        var bounds = chosen
        for _ in clocks {
            var isChanged = false
            for edge in edges {
                guard let from = bounds[edge.from], from + edge.weight < bounds[edge.to] ?? .max else { continue }
                bounds[edge.to] = from + edge.weight
                isChanged = true
            }
            if !isChanged { break }
        }
        return bounds
    }

    /// The smallest offset that each clock may have, given those that are chosen; nil if there is no limit.
    private func lowerBounds(_ chosen: [Int128?]) -> [Int128?] {
        var bounds = chosen
        for _ in clocks {
            var isChanged = false
            for edge in edges {
                guard let to = bounds[edge.to], to - edge.weight > bounds[edge.from] ?? .min else { continue }
                bounds[edge.from] = to - edge.weight
                isChanged = true
            }
            if !isChanged { break }
        }
        return bounds
    }
}
