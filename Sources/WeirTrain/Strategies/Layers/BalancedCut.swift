/// The cut of a sequence of layers into contiguous stages that makes the most expensive stage as cheap as possible.
struct BalancedCut {
    /// What each layer costs.
    let costs: [Double]
    /// The stage that a layer must be in; nil if any.
    let fixed: [Int?]
    /// Whether layer `i` must be in the same stage as layer `i - 1`.
    let isJoined: [Bool]

    /// Cuts the layers into stages, each with at least one layer. Of equally good cuts, the first has the fewest layers in the last
    /// stages.
    /// - Returns: the stage of each layer; nil if there is no such cut.
    /// - Complexity: O(stages · layers²), by dynamic programming over the end of each stage.
    func stages(_ stageCount: Int) -> [Int]? {
        let count = costs.count
        guard stageCount > 0, stageCount <= count, fixed.count == count, isJoined.count == count else { return nil }
        // best[s][n]: the least greatest cost of the first n layers in s stages, and the first layer of the last of these stages.
        var best = [[(cost: Double, first: Int)?]](repeating: [(cost: Double, first: Int)?](repeating: nil, count: count + 1), count: stageCount + 1)
        best[0][0] = (0, 0)
        for stage in 1...stageCount {
            for end in stage...count {
                // Grows the stage to the front, layer by layer.
                var cost = 0.0
                for first in stride(from: end - 1, through: stage - 1, by: -1) {
                    if let fixed = fixed[first], fixed != stage - 1 { break }
                    cost += costs[first]
                    guard !(first > 0 && isJoined[first]), let before = best[stage - 1][first] else { continue }
                    let greatest = max(before.cost, cost)
                    if best[stage][end].map({ greatest < $0.cost }) ?? true { best[stage][end] = (greatest, first) }
                }
            }
        }
        var result = [Int](repeating: 0, count: count)
        var end = count
        for stage in stride(from: stageCount, to: 0, by: -1) {
            guard let found = best[stage][end] else { return nil }
            for layer in found.first..<end { result[layer] = stage - 1 }
            end = found.first
        }
        return result
    }
}
