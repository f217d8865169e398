import WeirTensor

/// Leaves out arithmetic that changes nothing: times one, twice negated, sums over no axes, a reshape of a reshape.
///
/// Front ends write much of it: gradients are summed over the axes that were broadcast, often none. Only what keeps every
/// bit is left out; `x + 0` is not, since it makes 0 of -0.
public struct ArithmeticSimplification: GraphPass {
    public init() {}

    public func run(_ graph: Graph, _ environment: PassEnvironment) throws -> Graph {
        guard let identity = environment.registry["Identity"], let snapshot = environment.registry["Snapshot"] else { return graph }
        let changes = ChangingTensors(graph)
        var graph = graph
        for id in graph.topologicalOrder() {
            let node = graph.nodes[id]
            guard node.isPure, let step = ArithmeticSimplification.step(for: node, in: graph) else { continue }
            // What is left out may have been held back, by a loop or a branch.
            let controls = (node.controlInputs + step.leftOut.flatMap { graph.nodes[$0].controlInputs }).withoutRepetitions()
            if step.keepsNode {
                graph.nodes[id].inputs[0] = step.input
                graph.nodes[id].controlInputs = controls
            } else {
                // An Identity keeps whoever waits for the node; the pass for these drops it.
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

    private struct Step {
        /// What the node's value is, or can be made from.
        var input: Endpoint
        /// Whether the node still has something to do, with that as its first input.
        var keepsNode = false
        /// Whether the node makes a tensor of its own; others hand theirs on when there is nothing to do.
        var isCopy = false
        /// The nodes that it then no longer uses.
        var leftOut: [NodeID]
    }

    private static func step(for node: Node, in graph: Graph) -> Step? {
        func constant(_ index: Int, of node: Node) -> Tensor? {
            node.inputs.indices.contains(index) ? graph.nodes[node.inputs[index].node].constantValue : nil
        }
        /// The pure node of the same op that makes the first input.
        func before() -> Node? {
            guard let input = node.inputs.first else { return nil }
            let inner = graph.nodes[input.node]
            guard inner.op === node.op, inner.isPure else { return nil }
            // A variable is read when the node that takes it runs.
            return graph.nodes[inner.inputs[0].node].outputTypes[inner.inputs[0].index].isReference ? nil : inner
        }

        switch node.op.simplification {
        case .neutral(let element, let isCommutative):
            guard node.inputs.count == 2 else { return nil }
            for (side, other) in [(1, 0), (0, 1)] where side == 1 || isCommutative {
                if let value = constant(side, of: node), element.matches(value) {
                    return Step(input: node.inputs[other], isCopy: true, leftOut: [node.inputs[side].node])
                }
            }
            return nil
        case .selfInverse: return before().map { Step(input: $0.inputs[0], isCopy: true, leftOut: [node.inputs[0].node]) }
        case .unchanged(let holds): return holds(node) ? Step(input: node.inputs[0], leftOut: []) : nil
        case .unchangedFor(let index, let holds):
            guard let value = constant(index, of: node), holds(value) else { return nil }
            return Step(input: node.inputs[0], leftOut: [node.inputs[index].node])
        case .repeated(let repetition):
            // What says how the first was done may be computed in a branch that is not taken: only constants will do.
            guard let inner = before(), let first = constant(1, of: inner), let second = constant(1, of: node) else { return nil }
            let leftOut = [node.inputs[0].node, inner.inputs[1].node]
            switch repetition(first, second) {
            case .outerAlone: return Step(input: inner.inputs[0], keepsNode: true, leftOut: leftOut)
            case .nothing: return Step(input: inner.inputs[0], isCopy: true, leftOut: leftOut + [node.inputs[1].node])
            case nil: return nil
            }
        case nil: return nil
        }
    }
}
