import WeirGraph
import WeirTensor

/// Control edges from one device to a node of another part that are worth one message together.
///
/// A node that waits for ten thousand others of one device needs to hear of them once. Where many nodes each wait for
/// several of the same few, a message for each of those few is less than one for each set.
struct ControlGathers {
    struct Group: Hashable {
        /// In the order of the graph; all on one device.
        let sources: [NodeID]
        let destination: DeviceName
    }
    private struct Way: Hashable {
        let from: DeviceName
        let to: DeviceName
    }
    private var byNode: [NodeID: [Group]] = [:]

    init(_ graph: Graph, _ partOfNode: [String]) {
        var groups: [(node: NodeID, way: Way, group: Group)] = []
        var sources: [Way: Set<NodeID>] = [:]
        var sets: [Way: Set<[NodeID]>] = [:]
        for (id, node) in graph.nodes.enumerated() where !node.controlInputs.isEmpty {
            guard let to = node.device else { continue }
            var bySource: [DeviceName: [NodeID]] = [:]
            for control in node.controlInputs where partOfNode[control] != partOfNode[id] {
                if let from = graph.nodes[control].device { bySource[from, default: []].append(control) }
            }
            for (from, controls) in bySource {
                let way = Way(from: from, to: to), list = controls.sorted()
                sources[way, default: []].formUnion(list)
                sets[way, default: []].insert(list)
                if list.count > 1 { groups.append((id, way, Group(sources: list, destination: to))) }
            }
        }
        for (node, way, group) in groups where (sets[way]?.count ?? 0) < (sources[way]?.count ?? 0) {
            byNode[node, default: []].append(group)
        }
    }

    /// The groups that a node waits for, in an order that does not change from run to run.
    func groups(to node: NodeID) -> [Group] {
        (byNode[node] ?? []).sorted { $0.sources[0] < $1.sources[0] }
    }
    /// The group in which a node hears of another.
    func group(of source: NodeID, to node: NodeID) -> Group? {
        guard let groups = byNode[node], !groups.isEmpty else { return nil }
        return groups.first { group in
            // Sorted, since sets may be large.
            var low = 0, high = group.sources.count
            while low < high {
                let middle = (low + high) / 2
                if group.sources[middle] < source { low = middle + 1 } else { high = middle }
            }
            return low < group.sources.count && group.sources[low] == source
        }
    }
}
