import WeirGraph
import WeirTensor

extension ModelGraph {
    /// The model with other random numbers where the loss draws some, such as for dropout: copies of the model that have parts of one batch, and
    /// workers, should not draw the same. Initial values stay, because the loss does not compute them.
    /// - Parameter number: the number of the copy; 0 changes nothing.
    func drawingOtherNumbers(_ number: UInt64) -> ModelGraph {
        let drawing = graph.nodes.indices.filter { graph.nodes[$0].drawsFromSeed }
        guard number != 0, !drawing.isEmpty else { return self }
        let isTrained = graph.ancestors(of: [loss.node])
        var result = self
        for id in drawing where isTrained[id] {
            let seed = graph.nodes[id].attributes.int("seed2") ?? 0
            // The constants of SplitMix64, so that neighbouring seeds and numbers do not meet.
            var mixed = UInt64(bitPattern: Int64(seed)) &+ number &* 0x9E37_79B9_7F4A_7C15
            mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
            result.graph.nodes[id].attributes["seed2"] = .int(Int(truncatingIfNeeded: mixed ^ (mixed >> 31)))
        }
        return result
    }

    /// The number of the copy that is built in a name scope: 0 outside of all scopes.
    static func copyNumber(scope: String) -> UInt64 {
        // FNV-1a, which is the same in every process.
        scope.isEmpty ? 0 : scope.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    }
}

extension Node {
    /// Whether the node draws random numbers that follow from seeds. Seeds of 0 ask for other numbers in each run.
    fileprivate var drawsFromSeed: Bool {
        guard op.isStateful, let first = attributes.int("seed"), let second = attributes.int("seed2") else { return false }
        return first != 0 || second != 0
    }
}
