import WeirTensor

/// Removes arithmetic that has no effect: multiplications by one, double negations, sums over no axes, reshapes of reshapes.
///
/// Front ends generate many such nodes: gradients are summed over the axes that were broadcast, and often there are none. A
/// node is removed only if every bit of the result stays the same. `x + 0` is not removed, because it turns -0 into +0.
package struct ArithmeticSimplification: GraphPass {
    /// The pass. It has no state.
    package init() {}

    /// Returns the graph with these nodes replaced or bypassed.
    package func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        guard let identity = environment.registry["Identity"], let snapshot = environment.registry["Snapshot"] else { return graph }
        let changes = VariableAliases(graph)
        var graph = graph
        for id in graph.topologicalOrder() {
            let node = graph.nodes[id]
            guard node.isPure, let step = ArithmeticSimplification.step(for: node, in: graph) else { continue }
            // Control edges of the bypassed nodes may come from a loop or branch, so the node keeps them.
            let controls = (node.controlInputs + step.bypassedNodes.flatMap { graph.nodes[$0].controlInputs }).withoutRepetitions()
            if step.keepsNode {
                graph.nodes[id].inputs[0] = step.input
                graph.nodes[id].controlInputs = controls
            } else {
                // An Identity keeps the control edges to other nodes. The pass `IdentityElimination` removes it. Where the tensor may be
                // updated later, `Snapshot` copies it.
                let isCopied = step.isCopy && changes[step.input] && node.outputTypes[0].dtype.isBitwise
                var same = try Node(
                    name: node.name, op: isCopied ? snapshot : identity, inputs: [step.input], controlInputs: controls,
                    requestedDevice: node.requestedDevice, attributes: ["T": .type(node.outputTypes[0].dtype)])
                same.device = node.device
                graph.nodes[id] = same
            }
        }
        return graph
    }

    /// How one node is simplified.
    private struct NodeRewrite {
        /// The output that equals the node's value, or the new first input if `keepsNode`.
        var input: Endpoint
        /// Whether the node stays, with `input` as its first input.
        var keepsNode = false
        /// Whether the node always returns a new tensor. Other ops forward their input if they have no effect.
        var isCopy = false
        /// The nodes that are no longer used.
        var bypassedNodes: [NodeID]
    }

    private static func step(for node: Node, in graph: Graph) -> NodeRewrite? {
        func constant(_ index: Int, of node: Node) -> Tensor? {
            node.inputs.indices.contains(index) ? graph.nodes[node.inputs[index].node].constantValue : nil
        }
        /// The node that computes the first input, if it is pure and has the same op.
        func before() -> Node? {
            guard let input = node.inputs.first else { return nil }
            let inner = graph.nodes[input.node]
            guard inner.op === node.op, inner.isPure else { return nil }
            // If `inner` reads a reference variable, it must stay, because the variable's value depends on when it is read.
            return graph.nodes[inner.inputs[0].node].outputTypes[inner.inputs[0].index].isReference ? nil : inner
        }

        switch node.op.simplification {
        case .neutral(let element, let isCommutative):
            guard node.inputs.count == 2 else { return nil }
            for (side, other) in [(1, 0), (0, 1)] where side == 1 || isCommutative {
                if let value = constant(side, of: node), element.matches(value) {
                    return NodeRewrite(input: node.inputs[other], isCopy: true, bypassedNodes: [node.inputs[side].node])
                }
            }
            return nil
        case .selfInverse: return before().map { NodeRewrite(input: $0.inputs[0], isCopy: true, bypassedNodes: [node.inputs[0].node]) }
        case .unchanged(let holds): return holds(node) ? NodeRewrite(input: node.inputs[0], bypassedNodes: []) : nil
        case .unchangedFor(let index, let holds):
            guard let value = constant(index, of: node), holds(value) else { return nil }
            return NodeRewrite(input: node.inputs[0], bypassedNodes: [node.inputs[index].node])
        case .repeated(let repetition):
            // Only constants are allowed: any other second input of `inner` may be dead.
            guard let inner = before(), let first = constant(1, of: inner), let second = constant(1, of: node) else { return nil }
            let bypassedNodes = [node.inputs[0].node, inner.inputs[1].node]
            switch repetition(first, second) {
            case .outerAlone: return NodeRewrite(input: inner.inputs[0], keepsNode: true, bypassedNodes: bypassedNodes)
            case .nothing: return NodeRewrite(input: inner.inputs[0], isCopy: true, bypassedNodes: bypassedNodes + [node.inputs[1].node])
            case nil: return nil
            }
        case nil: return nil
        }
    }
}
