import WeirGraph
import WeirTensor

/// Finds groups of control edges that cross from one device to a node of another partition and are cheaper as one message.
///
/// A node that waits for ten thousand nodes of one device needs only one message from them. But if many nodes each wait for
/// several of the same few sources, one message per source is cheaper than one per set of sources. So for each pair of devices
/// the sources are grouped only if there are fewer sets than sources.
struct ControlEdgeGroups {
    struct Group: Hashable {
        /// The source nodes, all on one device, in the order of the graph.
        let sources: [NodeID]
        let destination: DeviceName
    }
    private struct DevicePair: Hashable {
        let from: DeviceName
        let to: DeviceName
    }
    private var byNode: [NodeID: [Group]] = [:]

    init(_ graph: Graph, _ partOfNode: [String]) {
        var groups: [(node: NodeID, way: DevicePair, group: Group)] = []
        var sources: [DevicePair: Set<NodeID>] = [:]
        var sets: [DevicePair: Set<[NodeID]>] = [:]
        for (id, node) in graph.nodes.enumerated() where !node.controlInputs.isEmpty {
            guard let to = node.device else { continue }
            var bySource: [DeviceName: [NodeID]] = [:]
            for control in node.controlInputs where partOfNode[control] != partOfNode[id] {
                if let from = graph.nodes[control].device { bySource[from, default: []].append(control) }
            }
            for (from, controls) in bySource {
                let way = DevicePair(from: from, to: to), list = controls.sorted()
                sources[way, default: []].formUnion(list)
                sets[way, default: []].insert(list)
                if list.count > 1 { groups.append((id, way, Group(sources: list, destination: to))) }
            }
        }
        for (node, way, group) in groups where (sets[way]?.count ?? 0) < (sources[way]?.count ?? 0) {
            byNode[node, default: []].append(group)
        }
    }

    /// The groups that a node waits for, in a deterministic order.
    func groups(to node: NodeID) -> [Group] {
        (byNode[node] ?? []).sorted { $0.sources[0] < $1.sources[0] }
    }
    /// The group that contains the control edge from `source` to `node`; nil if the edge is not grouped.
    func group(of source: NodeID, to node: NodeID) -> Group? {
        guard let groups = byNode[node], !groups.isEmpty else { return nil }
        return groups.first { group in
            // Binary search, because groups may be large.
            var low = 0, high = group.sources.count
            while low < high {
                let middle = (low + high) / 2
                if group.sources[middle] < source { low = middle + 1 } else { high = middle }
            }
            return low < group.sources.count && group.sources[low] == source
        }
    }
}
