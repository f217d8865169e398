public import WeirGraph
import WeirTensor

/// Puts the bodies of functions in the place of their calls, before placement: each node of a body can then go to a device
/// of its own, on any task, and wait for nothing but what it needs itself.
///
/// Functional control flow that asks for it (`_lower_using_switch_merge`, as TensorFlow's front ends do) becomes Switch and
/// Merge, or a loop of primitive ops. The rules are those of TensorFlow's master:
/// - A body's node that names no device goes where its call was asked to go; parts of a name that it lacks are the call's.
/// - What waits for a call waits for its results and for every effect of its body; whoever takes a result gets it when the
///   effects that the result does not depend on have happened, too.
/// - A node without inputs waits for what the call waits for; in a branch or a loop it is dead, or runs again, with the call.
/// - A function that is not to be inlined (`_noinline`) and names no tasks, that calls itself, or whose body would grow past `maximumSize` stays
///   a call, which the device of its node runs.
public struct Lowering: Sendable {
    /// Nodes of one function's body, the bodies of what it calls included.
    static let maximumSize = 20_000
    /// Nodes that bodies may add to one graph.
    static let maximumGrowth = 200_000
    /// Marks the node that stands where a call was, for those who ask for the call by name.
    static let attribute = "_weir_lowered"

    private let registry: OpRegistry
    public init(registry: OpRegistry) { self.registry = registry }

    /// - Parameter caller: the function whose body the graph is; it stays a call within itself.
    /// - Throws: `invalidArgument` when a body is malformed, `notFound` when a function or an op of one does not exist.
    public func run(_ graph: Graph, within caller: String? = nil) throws -> Graph {
        guard graph.nodes.contains(where: { LoweredGraph.isCandidate($0) }) else { return graph }
        var lowered = LoweredGraph(graph, registry)
        try lowered.run(within: caller)
        return try lowered.finished()
    }
}
