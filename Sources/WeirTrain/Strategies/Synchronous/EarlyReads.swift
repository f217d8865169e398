import WeirGraph
import WeirTensor

extension GraphBuilder {
    /// Whether a step uses a variable in a node that does not wait for any of these operations. Then the node may run as soon as the
    /// step is started, and see a value that an earlier step is about to change.
    /// - Complexity: O(nodes + edges).
    func usesVariables(in step: Operation, before barriers: [Operation]) -> Bool {
        let stops = Set(barriers.map(\.id))
        // Whether a node waits for a barrier. A node is decided after all that it waits for.
        var waits: [NodeID: Bool] = [:]
        var usesEarly = false
        var stack: [(id: NodeID, isExpanded: Bool)] = [(step.id, false)]
        while let (id, isExpanded) = stack.popLast() {
            let node = node(id)
            let sources = node.inputs.map(\.node) + node.controlInputs
            if isExpanded {
                let isLate = stops.contains(id) || sources.contains { waits[$0] == true }
                waits[id] = isLate
                let usesVariable = node.inputs.contains { self.node($0.node).op.variableUse == .handle }
                if usesVariable, !isLate { usesEarly = true }
            } else if waits[id] == nil {
                waits[id] = false
                stack.append((id, true))
                for source in sources where waits[source] == nil { stack.append((source, false)) }
            }
        }
        return usesEarly
    }
}
