/// The ways in which a node can be divided, given how its inputs are laid out.
///
/// A node is only divided along dimensions in which an input is cut already. If an input that stays where it is (a variable, or on
/// an axis that cuts batches any value) is cut in a dimension that allows it, the node must be divided there.
struct ShardingOptions {
    let facts: ShardingFacts
    let mesh: DeviceMesh
    /// The axes along which every cut is kept as long as possible.
    let keptAxes: Set<Int>

    /// - Parameter inputs: the inputs' shardings; nil for constants.
    func options(_ id: NodeID, _ inputs: [TensorSharding?]) -> [NodeSharding] {
        let node = facts.graph.nodes[id]
        guard let rule = facts.rules[id] else { return [undivided(node)] }
        if rule.rule.needsOnePart {
            var result = undivided(node)
            result.inputs = inputs.map { $0 ?? .whole(mesh) }
            return [result]
        }
        var combinations: [[NodeSharding.Division]] = [[]]
        for axis in mesh.axes.indices {
            let choices = divisions(id, node, rule, inputs, axis)
            combinations = combinations.flatMap { earlier in
                // A dimension is cut along one axis only.
                let free = choices.filter { $0 == .none || $0 == .addends || !earlier.contains($0) }
                return (free.isEmpty ? [.none] : free).map { earlier + [$0] }
            }
        }
        return combinations.map { sharding(node, rule.rule, inputs, $0) }
    }

    /// The label of a dimension in which an input is cut although the op allows no cut there, because the sizes of dimensions with
    /// its label are not all divisible; nil if there is none.
    func conflict(_ id: NodeID, _ inputs: [TensorSharding?]) -> (label: DimensionLabel, sizes: (divided: Int, undivided: Int))? {
        guard let rule = facts.rules[id] else { return nil }
        for axis in mesh.axes.indices {
            for (index, input) in inputs.enumerated() {
                guard let dimension = input?.dimension(cutAlong: axis) else { continue }
                let label = rule.rule.label(ofInput: index, dimension)
                if rule.allows(label), let sizes = rule.conflict(label, into: mesh.axes[axis].size) { return (label, sizes) }
            }
        }
        return nil
    }

    private func divisions(
        _ id: NodeID, _ node: Node, _ rule: NodeRule, _ inputs: [TensorSharding?], _ axis: Int
    ) -> [NodeSharding.Division] {
        var staying = Set<DimensionLabel>(), others = Set<DimensionLabel>()
        var addends = 0, values = 0
        for (index, input) in inputs.enumerated() {
            if node.inputTypes[index].dtype.isFloating || node.inputTypes[index].dtype.isComplex { values += 1 }
            guard let input else { continue }
            if input.placements[axis] == .partial { addends += 1 }
            guard let dimension = input.dimension(cutAlong: axis) else { continue }
            let label = rule.rule.label(ofInput: index, dimension)
            guard rule.allows(label), rule.divides(label, into: mesh.axes[axis].size) else { continue }
            if keptAxes.contains(axis) || facts.isFixed[node.inputs[index].node] { staying.insert(label) } else { others.insert(label) }
        }
        func labels(_ set: Set<DimensionLabel>) -> [NodeSharding.Division] { set.sorted { $0.number < $1.number }.map { .label($0) } }
        if !staying.isEmpty { return labels(staying) }
        let passes = rule.rule.isLinear && addends > 0 && addends == values
        return [.none] + (passes ? [.addends] : []) + labels(others)
    }

    private func undivided(_ node: Node) -> NodeSharding {
        let whole = TensorSharding.whole(mesh)
        return NodeSharding(
            divisions: Array(repeating: .none, count: mesh.axes.count), inputs: Array(repeating: whole, count: node.inputs.count),
            outputs: Array(repeating: whole, count: node.outputTypes.count))
    }

    private func sharding(_ node: Node, _ rule: ShardingRule, _ inputs: [TensorSharding?], _ divisions: [NodeSharding.Division]) -> NodeSharding {
        var result = undivided(node)
        result.divisions = divisions
        for (axis, division) in divisions.enumerated() {
            switch division {
            case .none: break
            case .addends:
                for (index, input) in inputs.enumerated() where input?.placements[axis] == .partial { result.inputs[index].placements[axis] = .partial }
                for index in result.outputs.indices { result.outputs[index].placements[axis] = .partial }
            case .label(let label):
                for index in result.inputs.indices where rule.inputs.indices.contains(index) {
                    if let dimension = rule.inputs[index].firstIndex(of: label) { result.inputs[index].placements[axis] = .cut(dimension) }
                }
                for index in result.outputs.indices where rule.outputs.indices.contains(index) {
                    result.outputs[index].placements[axis] = rule.outputs[index].firstIndex(of: label).map { .cut($0) } ?? .partial
                }
            }
        }
        return result
    }
}
