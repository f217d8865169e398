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

    private static let selfInverse: Set<String> = ["Neg", "LogicalNot", "Invert", "Conj"]
    private static let reductions: Set<String> = ["Sum", "Prod", "Max", "Min", "Mean", "All", "Any"]

    private static func step(for node: Node, in graph: Graph) -> Step? {
        func constant(_ index: Int) -> Tensor? {
            guard node.inputs.indices.contains(index) else { return nil }
            let source = graph.nodes[node.inputs[index].node]
            return source.op.name == "Const" ? source.attributes.tensor("value") : nil
        }
        func integers(_ index: Int) -> [Int]? { try? constant(index)?.integers() }
        func first(leavingOut index: Int? = nil) -> Step {
            Step(input: node.inputs[0], leftOut: index.map { [node.inputs[$0].node] } ?? [])
        }
        /// The pure node of one of these ops that makes the first input.
        func before(_ names: Set<String>) -> Node? {
            guard let input = node.inputs.first, names.contains(graph.nodes[input.node].op.name), graph.nodes[input.node].isPure else { return nil }
            let inner = graph.nodes[input.node]
            // A variable is read when the node that takes it runs.
            return graph.nodes[inner.inputs[0].node].outputTypes[inner.inputs[0].index].isReference ? nil : inner
        }

        if let neutral = neutrals[node.op.name], node.inputs.count == 2 {
            for (side, other) in [(1, 0), (0, 1)] where side == 1 || commutative.contains(node.op.name) {
                if let value = constant(side), neutral.matches(value) {
                    return Step(input: node.inputs[other], isCopy: true, leftOut: [node.inputs[side].node])
                }
            }
            return nil
        }
        if selfInverse.contains(node.op.name) {
            return before([node.op.name]).map { Step(input: $0.inputs[0], isCopy: true, leftOut: [node.inputs[0].node]) }
        }
        if reductions.contains(node.op.name) { return constant(1)?.elementCount == 0 ? first(leavingOut: 1) : nil }
        switch node.op.name {
        case "Cast": return node.inputTypes[0].dtype == node.outputTypes[0].dtype ? first() : nil
        case "AddN": return node.inputs.count == 1 ? first() : nil
        case "Tile": return integers(1)?.allSatisfy { $0 == 1 } == true ? first(leavingOut: 1) : nil
        case "Pad", "MirrorPad": return integers(1)?.allSatisfy { $0 == 0 } == true ? first(leavingOut: 1) : nil
        case "ReverseV2": return constant(1)?.elementCount == 0 ? first(leavingOut: 1) : nil
        case "Reshape":
            // A shape that is computed may be of a branch not taken.
            guard let inner = before(["Reshape"]), let outer = integers(1) else { return nil }
            let source = graph.nodes[inner.inputs[1].node]
            guard source.op.name == "Const", let before = try? source.attributes.tensor("value")?.integers(),
                ArithmeticSimplification.fits(before, whatever: outer)
            else { return nil }
            return Step(input: inner.inputs[0], keepsNode: true, leftOut: [node.inputs[0].node, inner.inputs[1].node])
        case "Transpose":
            guard let inner = before(["Transpose"]), let outer = integers(1) else { return nil }
            let source = graph.nodes[inner.inputs[1].node]
            guard source.op.name == "Const", let order = try? source.attributes.tensor("value")?.integers(), order.count == outer.count,
                outer.indices.allSatisfy({ order.indices.contains(outer[$0]) && order[outer[$0]] == $0 })
            else { return nil }
            return Step(input: inner.inputs[0], isCopy: true, leftOut: [node.inputs[0].node, node.inputs[1].node, inner.inputs[1].node])
        default: return nil
        }
    }

    /// Whether all tensors that can be reshaped to `outer` can be reshaped to `inner` first.
    private static func fits(_ inner: [Int], whatever outer: [Int]) -> Bool {
        /// How many elements the known dimensions stand for, unless that says too little.
        func known(_ shape: [Int]) -> Int? {
            guard shape.count(where: { $0 == -1 }) <= 1 else { return nil }
            return try? Shape(validating: shape.filter { $0 != -1 }).elementCount
        }
        guard let before = known(inner), let after = known(outer), before > 0, after > 0 else { return false }
        return inner.contains(-1) ? after % before == 0 : before == after && !outer.contains(-1)
    }

    /// The scalar that changes nothing as the second operand of a binary op.
    private enum Neutral {
        case one(DTypeSet), zero(DTypeSet), truth(Bool)

        func matches(_ tensor: Tensor) -> Bool {
            guard tensor.rank == 0 else { return false }
            switch self {
            case .truth(let expected): return (try? tensor.scalar(of: Bool.self)) == expected
            case .one(let types): return types.contains(tensor.dtype) && value(of: tensor) == 1
            // Taking away -0 makes 0 of -0.
            case .zero(let types): return types.contains(tensor.dtype) && value(of: tensor).map { $0 == 0 && $0.sign == .plus } == true
            }
        }
        private func value(of tensor: Tensor) -> Double? {
            switch tensor.dtype {
            case .float32: (try? tensor.scalar(of: Float.self)).map(Double.init)
            case .float64: try? tensor.scalar(of: Double.self)
            case .float16: (try? tensor.scalar(of: Float16.self)).map(Double.init)
            case .bfloat16: (try? tensor.scalar(of: BFloat16.self)).map { Double($0.float) }
            default: (try? tensor.integer()).map(Double.init)
            }
        }
    }
    // One plus no imaginary part makes NaN of an infinity: no complex numbers.
    private static let real: DTypeSet = [.integer, .floating]
    private static let neutrals: [String: Neutral] = [
        "Mul": .one(real), "Div": .one(real), "RealDiv": .one(real), "FloorDiv": .one(.integer), "TruncateDiv": .one(.integer),
        "Sub": .zero(real), "Add": .zero(.integer), "AddV2": .zero(.integer), "LogicalAnd": .truth(true), "LogicalOr": .truth(false),
    ]
    /// Those for which it may be the first operand too.
    private static let commutative: Set<String> = ["Mul", "Add", "AddV2", "LogicalAnd", "LogicalOr"]
}
