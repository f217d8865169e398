import Weir

/// Reduces a failing case while it fails in the same way.
struct GraphReducer {
    /// The kind of a case's failure; nil if it does not fail.
    let verdict: (GraphCase) async -> String?
    /// The right values of a case's tensors; nil if they cannot be computed.
    let values: (GraphCase, [String]) async -> [Tensor]?
    private let kind: String

    init(kind: String, verdict: @escaping (GraphCase) async -> String?, values: @escaping (GraphCase, [String]) async -> [Tensor]?) {
        self.kind = kind
        self.verdict = verdict
        self.values = values
    }

    func reduce(_ made: GraphCase) async -> GraphCase {
        var best = made
        func keeps(_ next: GraphCase?) async -> Bool {
            guard let next, await verdict(next) == kind else { return false }
            best = next
            return true
        }
        // First fewer steps, then fewer fetches.
        var index = 0
        while index < best.order.count, best.order.count > 1 {
            var order = best.order
            order.remove(at: index)
            if !(await keeps(best.with(order: order))) { index += 1 }
        }
        for step in Set(best.order) {
            for name in best.steps[step].fetches + best.steps[step].targets {
                var steps = best.steps
                steps[step].fetches.removeAll { $0 == name }
                steps[step].targets.removeAll { $0 == name }
                if !(steps[step].fetches.isEmpty && steps[step].targets.isEmpty) { _ = await keeps(best.with(steps: steps)) }
            }
        }
        _ = await keeps(best.pruned())
        var isSmaller = true
        while isSmaller {
            isSmaller = false
            let nodes = best.graph.nodes.map(\.name)
            for name in nodes.reversed() where best.graph.node(named: name) != nil {
                if await keeps(await fed(best, name)) { isSmaller = true }
            }
            for name in nodes where best.graph.node(named: name) != nil {
                for variant in best.simplified(name) { if await keeps(variant) { isSmaller = true } }
            }
            if await keeps(best.pruned()), best.graph.nodes.count < nodes.count { isSmaller = true }
        }
        return best
    }

    /// The case with a node's output fed, so that its inputs are not needed.
    private func fed(_ made: GraphCase, _ name: String) async -> GraphCase? {
        guard let node = made.graph.node(named: name), !node.inputs.isEmpty, node.outputTypes.count == 1, !node.outputTypes[0].isReference,
            node.outputTypes[0].dtype.isBitwise || node.outputTypes[0].dtype == .string,
            let value = await values(made, ["\(name):0"])?.first
        else { return nil }
        var definition = made.graph.definition
        guard let index = definition.nodes.firstIndex(where: { $0.name == name }) else { return nil }
        definition.nodes[index] = NodeDefinition(
            name: name, op: "Placeholder", device: definition.nodes[index].device, attributes: ["dtype": .type(value.dtype), "shape": .shape(.unknown)])
        return made.with(definition: definition, feeds: made.feeds + [("\(name):0", value)])?.pruned()
    }
}

extension GraphCase {
    func with(order: [Int]? = nil, steps: [Step]? = nil, feeds: [(String, Tensor)]? = nil) -> GraphCase {
        GraphCase(graph: graph, feeds: feeds ?? self.feeds, initialization: initialization, steps: steps ?? self.steps, order: order ?? self.order)
    }
    func with(definition: GraphDefinition, feeds: [(String, Tensor)]? = nil) -> GraphCase? {
        guard let graph = try? Graph(definition, registry: .standard) else { return nil }
        return GraphCase(graph: graph, feeds: feeds ?? self.feeds, initialization: initialization, steps: steps, order: order)
    }

    /// The same graph with the order of nodes and of Merge inputs reversed. Results are the same unless two live values meet in a
    /// Merge, where the first wins.
    func reversed() -> GraphCase? {
        var definition = graph.definition
        for index in definition.nodes.indices where definition.nodes[index].op == "Merge" {
            let inputs = definition.nodes[index].inputs
            definition.nodes[index].inputs = inputs.filter { !$0.hasPrefix("^") }.reversed() + inputs.filter { $0.hasPrefix("^") }
        }
        definition.nodes.reverse()
        return with(definition: definition)
    }

    /// The case without nodes that no step needs.
    func pruned() -> GraphCase? {
        var roots: [NodeID] = []
        var steps = Set(order).map { self.steps[$0] }
        if let initialization { steps.append(initialization) }
        for step in steps {
            for name in step.fetches + step.targets {
                if let reference = InputReference(name), let id = graph.index[reference.node] { roots.append(id) }
            }
        }
        let needed = graph.ancestors(of: roots)
        guard var smaller = try? graph.filtered({ needed[$0] }) else { return nil }
        smaller.library = graph.library.reachable(from: smaller)
        let left = feeds.filter { feed in InputReference(feed.0).map { smaller.index[$0.node] != nil } ?? false }
        return GraphCase(graph: smaller, feeds: left, initialization: initialization, steps: self.steps, order: order)
    }

    /// Simpler cases: without a control edge of the node, without the node (its first input replaces it), or on another device.
    func simplified(_ name: String) -> [GraphCase] {
        var definition = graph.definition
        guard let index = definition.nodes.firstIndex(where: { $0.name == name }) else { return [] }
        var cases: [GraphCase] = []
        let node = definition.nodes[index]
        for input in node.inputs where input.hasPrefix("^") {
            definition.nodes[index].inputs.removeAll { $0 == input }
            if let next = with(definition: definition)?.pruned() { cases.append(next) }
            definition.nodes[index] = node
        }
        let data = node.inputs.filter { !$0.hasPrefix("^") }
        if data.count >= 1, node.op != "Merge", node.op != "NextIteration", let source = data.first, graph.node(named: name)?.outputTypes.count == 1 {
            // Consumers take the first input instead; if the types differ, the graph does not build.
            for position in definition.nodes.indices {
                definition.nodes[position].inputs = definition.nodes[position].inputs.map { $0 == name ? source : $0 }
            }
            if let next = with(definition: definition)?.pruned() { cases.append(next) }
            definition = graph.definition
        }
        if let first = definition.nodes.first(where: { !$0.device.isEmpty })?.device, node.device != first {
            definition.nodes[index].device = first
            if let next = with(definition: definition) { cases.append(next) }
        }
        return cases
    }
}
