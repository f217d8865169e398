/// What a choice of shardings costs. What comes first counts more than all that follows.
struct ShardingCost: Comparable {
    /// The bytes of variables that must be gathered for use: cuts that do not divide any work.
    var gathered = 0.0
    /// The bytes of variables that could be cut and are whole.
    var uncut = 0.0
    /// The bytes that devices send to each other, and a little for each byte that is computed, so that of two ways with the same
    /// traffic the one with more work in parallel is taken.
    var moved = 0.0

    static func < (a: ShardingCost, b: ShardingCost) -> Bool { (a.gathered, a.uncut, a.moved) < (b.gathered, b.uncut, b.moved) }
    static func + (a: ShardingCost, b: ShardingCost) -> ShardingCost {
        ShardingCost(gathered: a.gathered + b.gathered, uncut: a.uncut + b.uncut, moved: a.moved + b.moved)
    }
    /// The part of a computed byte that counts like a moved one.
    static let computed = 1e-4
}

/// Counts bytes of the communication that `ShardedGraph` builds.
struct ShardingTraffic {
    let mesh: DeviceMesh

    /// The bytes that are sent to bring a tensor of `byteCount` bytes into the sharding `needed`, and to all devices along the axes
    /// that `node` spans.
    /// - Parameters:
    ///   - sent: the axes along which the whole tensor was sent already, as bits.
    /// - Returns: nil if there is no such communication.
    func bytes(_ byteCount: Double, _ found: TensorSharding, sent: UInt8, to needed: TensorSharding, for node: NodeSharding) -> Double? {
        // The bytes of all copies and addends at this point.
        var volume = byteCount
        for (axis, placement) in found.placements.enumerated() where placement == .partial { volume *= Double(mesh.axes[axis].size) }
        var total = 0.0
        for axis in mesh.axes.indices {
            let count = Double(mesh.axes[axis].size)
            switch (found.placements[axis], needed.placements[axis]) {
            case (.whole, .whole): break
            case (.whole, .cut), (.cut, .whole): total += volume * (count - 1) / count
            case (.cut(let a), .cut(let b)): if a != b { total += 2 * volume * (count - 1) / count }
            case (.partial, .whole), (.partial, .cut):
                volume /= count
                total += volume * (count - 1)
            case (.partial, .partial): break
            case (.whole, .partial), (.cut, .partial): return nil
            }
            guard needed.placements[axis] == .whole, node.spans(axis) else { continue }
            if sent & (1 << UInt8(axis)) == 0 { total += volume * (count - 1) }
            volume *= count
        }
        return total
    }
}
