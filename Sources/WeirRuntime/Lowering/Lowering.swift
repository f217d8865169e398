package import WeirGraph
import WeirTensor

/// Replaces function calls by the nodes of the functions' bodies, before placement. So each node of a body can be placed on its
/// own device, in any task, and waits only for its own inputs.
///
/// Functional control flow with the attribute `_lower_using_switch_merge`, which TensorFlow's front ends set, becomes Switch
/// and Merge, or a loop of primitive ops. The rules are those of TensorFlow's master:
/// - A node of a body that requests no device gets the device that the call requests. Missing parts of a device name also come
///   from the call.
/// - A node that waits for a call waits for its results and for all effects of its body. A consumer of a result also waits for
///   the effects that the result does not depend on.
/// - A node without inputs waits for the control inputs of the call. In a branch or a loop it is dead, or runs again, together
///   with the call.
/// - Some functions stay calls, which the device of the node runs: those with `_noinline` that request no tasks, those that
///   call themselves, and those whose body would exceed `maximumSize`.
package struct Lowering: Sendable {
    /// The maximum number of nodes of one function's body, including the bodies of its callees.
    static let maximumSize = 20_000
    /// The maximum number of nodes that inlining adds to one graph.
    static let maximumGrowth = 200_000
    /// The attribute of the node that replaces a call, for clients that use the name of the call.
    static let attribute = "_weir_lowered"

    private let registry: OpRegistry
    /// Makes a lowering that looks up ops in `registry`.
    package init(registry: OpRegistry) { self.registry = registry }

    /// Returns the graph with its calls replaced.
    /// - Parameter caller: the function whose body the graph is; calls of it stay calls.
    /// - Throws: `invalidArgument` when a body is malformed; `notFound` when a function, or an op of one, does not exist.
    package func run(_ graph: Graph, within caller: String? = nil) throws -> Graph {
        guard graph.nodes.contains(where: { GraphLowerer.isCandidate($0) }) else { return graph }
        var lowered = GraphLowerer(graph, registry)
        try lowered.run(within: caller)
        return try lowered.finished()
    }
}
