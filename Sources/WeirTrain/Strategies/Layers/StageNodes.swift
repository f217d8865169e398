import WeirGraph
import WeirTensor

/// Which nodes of a graph belong to which stage and micro-batch.
struct StageNodes {
    /// What one stage does for one micro-batch, in one direction.
    struct Unit: Hashable {
        let stage: Int
        let work: PipelineSchedule.Work
    }
    /// The stage of a node: of a micro-batch, or of a variable.
    var stage: [NodeID: Int] = [:]
    /// The unit of a micro-batch's node.
    var unit: [NodeID: Unit] = [:]

    /// Finds the stages of nodes that were added for gradients.
    ///
    /// A gradient is colocated with the node that it differentiates. A sum of gradients, for a value that several nodes use, is
    /// colocated with nothing; it goes to the earliest stage of its inputs, because gradients flow to the earlier stages.
    mutating func assignStages(_ added: Range<NodeID>, _ builder: GraphBuilder, _ work: PipelineSchedule.Work) {
        for id in added {
            let node = builder.node(id)
            let groups = node.attributes.strings("_class") ?? []
            var found: Int?
            if groups.isEmpty {
                let known = node.inputs.filter { stage[$0.node] != nil }
                guard let first = known.min(by: { (stage[$0.node] ?? 0) < (stage[$1.node] ?? 0) }) else { continue }
                found = stage[first.node]
                builder.setColocation(of: Operation(builder, id), ["loc:@\(builder.node(first.node).name)"])
            } else {
                for group in groups {
                    let text = group.description
                    guard text.hasPrefix("loc:@"), let other = builder.operation(named: String(text.dropFirst(5))) else { continue }
                    found = found ?? stage[other.id]
                }
            }
            guard let found else { continue }
            stage[id] = found
            unit[id] = Unit(stage: found, work: work)
        }
    }

    /// Adds control edges, on each device, such that a unit begins when the unit before it in the schedule has ended.
    ///
    /// This is also what bounds the memory: a stage begins no forward before the backward that frees the activations' place. Only
    /// the nodes at a unit's ends get edges, and only nodes that the results need: others would run just to be waited for.
    /// Constants, and what follows from shapes alone, are not ordered, because passes compute them before the step and
    /// a shape should not keep its tensor alive.
    func impose(_ schedule: PipelineSchedule, on builder: GraphBuilder, results: [Output], devices: [String]) {
        guard let graph = try? builder.graph() else { return }
        let ends = unitEnds(graph, isNeeded: graph.ancestors(of: results.map(\.endpoint.node)))
        let order = devices.indices.map { stage in schedule.work(ofStage: stage).map { Unit(stage: stage, work: $0) } }
        var ended: [Unit: Operation] = [:]
        for unit in order.joined() {
            guard let last = ends[unit]?.last else { continue }
            ended[unit] = builder.device(devices[unit.stage]) {
                builder.add("NoOp", name: "schedule/stage\(unit.stage)/\(unit.work)", controls: last.map { Operation(builder, $0) })
            }
        }
        for units in order {
            // A stage that has nothing to do for a unit waits for the stage that does that micro-batch's backward before it would.
            var waiting: [Operation] = []
            for unit in units {
                if let own = ended[unit] {
                    for first in ends[unit]?.first ?? [] { for before in waiting { builder.addControl(before, to: Operation(builder, first)) } }
                    waiting = [own]
                } else if case .backward = unit.work {
                    let later = (unit.stage + 1..<max(unit.stage + 1, devices.count)).lazy.compactMap { ended[Unit(stage: $0, work: unit.work)] }
                    if let other = later.first { waiting.append(other) }
                }
            }
        }
    }

    /// For each unit, the nodes that need nothing of the same unit, and those that nothing of the same unit needs.
    private func unitEnds(_ graph: Graph, isNeeded: [Bool]) -> [Unit: (first: [NodeID], last: [NodeID])] {
        var isFixed = [Bool](repeating: false, count: graph.nodes.count)
        var hasSource = isFixed, hasConsumer = isFixed
        var members: [(id: NodeID, unit: Unit)] = []
        for (id, node) in graph.nodes.enumerated() {
            isFixed[id] = node.op.isPure && node.controlInputs.isEmpty && (node.op.readsOnlyShapes || node.inputs.allSatisfy { isFixed[$0.node] })
            guard isNeeded[id], !isFixed[id], let own = unit[id] else { continue }
            members.append((id, own))
            for input in node.inputs.map(\.node) + node.controlInputs where unit[input] == own && !isFixed[input] {
                hasConsumer[input] = true
                hasSource[id] = true
            }
        }
        var result: [Unit: (first: [NodeID], last: [NodeID])] = [:]
        for (id, own) in members {
            if !hasSource[id] { result[own, default: ([], [])].first.append(id) }
            if !hasConsumer[id] { result[own, default: ([], [])].last.append(id) }
        }
        return result
    }
}

extension PipelineSchedule.Work: CustomStringConvertible {
    /// `forward3` or `backward3`.
    public var description: String {
        switch self {
        case .forward(let microBatch): "forward\(microBatch)"
        case .backward(let microBatch): "backward\(microBatch)"
        }
    }
}
