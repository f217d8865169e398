package import WeirTensor

/// Decides for each node of a graph how it is computed on a mesh, so that devices send each other as few bytes as possible.
///
/// Every variable that a product, a convolution or a lookup uses is cut if one of its choices allows it; a variable's part stays on
/// its device, and work comes to it. Under these conditions the traffic is minimal: the pass is a dynamic program over the nodes in
/// order. Its state is how the values that later nodes need are laid out, and of two ways to reach a state it keeps the cheaper
/// one. So two layers in a row are cut by columns and then by rows, with one sum for both, as in Shoeybi et al.,
/// "Megatron-LM: Training Multi-Billion Parameter Language Models Using Model Parallelism", 2019.
package struct ShardingPass {
    /// A way to lay out a variable.
    package struct Choice: Sendable {
        /// The layout.
        package var sharding: TensorSharding
        /// Whether the variable could be cut and is not.
        package var isUncut: Bool
        /// A choice.
        package init(_ sharding: TensorSharding, isUncut: Bool = false) {
            self.sharding = sharding
            self.isUncut = isUncut
        }
    }

    private let facts: ShardingFacts
    private let mesh: DeviceMesh
    private let roots: [Endpoint]
    private let inputs: [Endpoint: TensorSharding]
    private let variables: [NodeID: [Choice]]
    private let options: ShardingOptions
    private let traffic: ShardingTraffic
    /// The number of states that are kept; there are rarely as many different ones.
    private let stateLimit: Int

    /// - Parameters:
    ///   - roots: what is computed; whole in the end. The same as those of `facts`.
    ///   - inputs: the layouts of outputs of nodes without inputs, such as placeholders; others are whole.
    ///   - variables: by handle, the ways to lay out a variable; others are whole.
    ///   - keptAxes: the axes along which no cut is given up while it can be kept, as for those that cut batches.
    package init(
        _ facts: ShardingFacts, mesh: DeviceMesh, roots: [Endpoint], inputs: [Endpoint: TensorSharding] = [:],
        variables: [NodeID: [Choice]] = [:], keptAxes: Set<Int> = [], stateLimit: Int = 256
    ) {
        self.facts = facts
        self.mesh = mesh
        self.roots = roots
        self.inputs = inputs
        self.variables = variables
        self.stateLimit = max(1, stateLimit)
        options = ShardingOptions(facts: facts, mesh: mesh, keptAxes: keptAxes)
        traffic = ShardingTraffic(mesh: mesh)
    }

    /// The layout of one value in a state.
    private struct Layout: Hashable {
        var sharding: TensorSharding
        /// The axes along which the whole value was sent already, as bits.
        var sent: UInt8 = 0
    }
    /// A way to compute the nodes so far.
    private struct State {
        /// The layouts of the live values.
        var layouts: [Layout]
        var cost: ShardingCost
        /// The last decision, in `trail`.
        var decision: Int
    }
    private struct Decision {
        let node: NodeID
        let sharding: NodeSharding
        let earlier: Int
    }

    /// Finds the layouts.
    /// - Throws: `invalidArgument` when a variable cannot be laid out in any of its ways.
    /// - Complexity: O(nodes × states × options).
    package func run() throws(Status) -> ShardingPlan {
        let lastUses = lastUses()
        var live: [Endpoint] = []
        var states = [State(layouts: [], cost: ShardingCost(), decision: -1)]
        var trail: [Decision] = []
        for (step, id) in facts.order.enumerated() {
            let node = facts.graph.nodes[id]
            let places = node.inputs.map { input in facts.constants[input] == nil ? live.firstIndex(of: input) : nil }
            let outputs = node.outputTypes.indices.map { Endpoint(id, $0) }.filter { lastUses[$0, default: -1] > step }
            let kept = live.indices.filter { lastUses[live[$0], default: -1] > step }
            var best: [[Layout]: Int] = [:]
            var next: [State] = []
            for state in states {
                for (sharding, cost) in decisions(id, node, places, state.layouts) {
                    var layouts = state.layouts
                    note(sharding, places, &layouts)
                    let following = kept.map { layouts[$0] } + outputs.map { Layout(sharding: sharding.outputs[$0.index]) }
                    let total = state.cost + cost
                    if let index = best[following] {
                        guard total < next[index].cost else { continue }
                        next[index].cost = total
                        next[index].decision = trail.count
                    } else {
                        best[following] = next.count
                        next.append(State(layouts: following, cost: total, decision: trail.count))
                    }
                    trail.append(Decision(node: id, sharding: sharding, earlier: state.decision))
                }
            }
            guard !next.isEmpty else {
                throw .invalidArgument(
                    "Node '\(node.name)' (op \(node.op.name)) cannot be computed with the variables cut as asked: it uses the handle of a variable that it needs whole"
                )
            }
            if next.count > stateLimit { next = Array(next.sorted { $0.cost < $1.cost }.prefix(stateLimit)) }
            states = next
            live = kept.map { live[$0] } + outputs
        }
        return plan(cheapest(states, live), trail)
    }

    /// The step after which a value is not needed any more; the number of steps for roots.
    private func lastUses() -> [Endpoint: Int] {
        var result: [Endpoint: Int] = [:]
        for (step, id) in facts.order.enumerated() { for input in facts.graph.nodes[id].inputs { result[input] = step } }
        for root in roots { result[root] = facts.order.count }
        return result
    }

    /// The ways to compute a node in a state, with what each costs.
    private func decisions(_ id: NodeID, _ node: Node, _ places: [Int?], _ layouts: [Layout]) -> [(NodeSharding, ShardingCost)] {
        if node.op.variableUse == .handle {
            return (variables[id] ?? [Choice(.whole(mesh))]).map { choice in
                var sharding = options.options(id, [])[0]
                sharding.outputs = [choice.sharding]
                return (sharding, ShardingCost(uncut: choice.isUncut ? facts.byteCount(Endpoint(id)) : 0))
            }
        }
        // What a loop's back edge brings is whole, like all values of a loop.
        let found = node.inputs.indices.map { index in
            facts.constants[node.inputs[index]] == nil ? places[index].map { layouts[$0].sharding } ?? .whole(mesh) : nil
        }
        return options.options(id, found).compactMap { sharding in
            var sharding = sharding
            for index in sharding.outputs.indices { if let given = inputs[Endpoint(id, index)] { sharding.outputs[index] = given } }
            return cost(id, node, places, layouts, found, sharding).map { (sharding, $0) }
        }
    }

    /// What a node costs, with the communication for its inputs; nil if it cannot be computed so.
    private func cost(
        _ id: NodeID, _ node: Node, _ places: [Int?], _ layouts: [Layout], _ found: [TensorSharding?], _ sharding: NodeSharding
    ) -> ShardingCost? {
        var cost = ShardingCost()
        let computed = node.outputTypes.indices.reduce(0) { $0 + facts.byteCount(Endpoint(id, $1)) }
        let parts = mesh.axes.indices.reduce(1.0) { sharding.spans($1) ? $0 * Double(mesh.axes[$1].size) : $0 }
        cost.moved = computed / parts * ShardingCost.computed
        for (index, input) in node.inputs.enumerated() {
            guard let from = found[index] else { continue }
            let to = sharding.inputs[index]
            if node.inputTypes[index].dtype == .resource {
                // A handle stays where it is. Work that others need is done there and sent to them.
                guard from == to else { return nil }
                if mesh.axes.indices.contains(where: { to.placements[$0] == .whole && sharding.spans($0) }) { cost.moved += computed }
                continue
            }
            let sent = places[index].map { layouts[$0].sent } ?? 0
            guard let bytes = traffic.bytes(facts.byteCount(input), from, sent: sent, to: to, for: sharding) else { return nil }
            cost.moved += bytes
            let isGathered = mesh.axes.indices.contains { from.dimension(cutAlong: $0) != nil && from.placements[$0] != to.placements[$0] }
            if isGathered, facts.isFixed[input.node] { cost.gathered += facts.byteCount(input) }
        }
        return cost
    }

    /// Notes which values are sent to all devices along an axis.
    private func note(_ sharding: NodeSharding, _ places: [Int?], _ layouts: inout [Layout]) {
        for (index, place) in places.enumerated() {
            guard let place else { continue }
            for axis in mesh.axes.indices where sharding.spans(axis) && sharding.inputs[index].placements[axis] == .whole {
                if layouts[place].sharding.placements[axis] == .whole { layouts[place].sent |= 1 << UInt8(axis) }
            }
        }
    }

    private func cheapest(_ states: [State], _ live: [Endpoint]) -> State? {
        let whole = TensorSharding.whole(mesh)
        let undivided = NodeSharding(divisions: Array(repeating: .none, count: mesh.axes.count), inputs: [], outputs: [])
        let complete = states.map { state in
            var state = state
            for (endpoint, layout) in zip(live, state.layouts) {
                state.cost.moved += traffic.bytes(facts.byteCount(endpoint), layout.sharding, sent: layout.sent, to: whole, for: undivided) ?? 0
            }
            return state
        }
        return complete.min { $0.cost < $1.cost }
    }

    private func plan(_ state: State?, _ trail: [Decision]) -> ShardingPlan {
        var nodes: [NodeID: NodeSharding] = [:]
        var next = state?.decision ?? -1
        while trail.indices.contains(next) {
            nodes[trail[next].node] = trail[next].sharding
            next = trail[next].earlier
        }
        return ShardingPlan(
            graph: facts.graph, mesh: mesh, order: facts.order, nodes: nodes, movedByteCount: state?.cost.moved ?? 0, facts: facts)
    }

    /// The first node at which a cut ends because its sizes cannot be divided although products behind it could be, with the sizes;
    /// nil if there is none.
    ///
    /// For example, 28 columns can be cut in two, but not the 7 heads of 4 numbers that they are reshaped to.
    package func conflict() throws(Status) -> (node: String, divided: Int, undivided: Int)? {
        let plan = try run()
        for id in facts.order {
            let node = facts.graph.nodes[id]
            let found = node.inputs.map { facts.constants[$0] == nil ? plan.sharding(of: $0) : nil }
            guard let (label, sizes) = options.conflict(id, found), let outputs = facts.rules[id]?.rule.outputs else { continue }
            for (index, labels) in outputs.enumerated() {
                guard let dimension = labels.firstIndex(of: label), facts.isDividable(Endpoint(id, index), along: dimension) else { continue }
                return (node.name, sizes.divided, sizes.undivided)
            }
        }
        return nil
    }
}
