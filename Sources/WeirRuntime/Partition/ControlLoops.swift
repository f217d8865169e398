public import WeirGraph
import WeirTensor

/// Makes loops that cross devices run in step: every device that takes part gets a small loop of its own, driven by the
/// real one's condition, whose iterations release its receives.
///
/// Done once, before the first cut; parts that come to a worker have it already.
///
/// As in TensorFlow the Merge of a control loop is a control input of the nodes that take something from another device;
/// whoever cuts the graph there gives it to the receive. Parts may so be cut again, by anybody.
public enum ControlLoops {
    private static let prefix = "_cloop"

    /// Whether a node is the Merge whose every turn releases the receives of its loop on its device.
    static func isMerge(_ node: Node) -> Bool { node.role == .merge && node.name.hasPrefix(prefix) }

    /// - Throws: `invalidArgument` when a loop that crosses devices has no condition.
    public static func add(to graph: Graph, registry: OpRegistry) throws -> Graph {
        let assignment = try FrameAssignment(graph)
        guard assignment.frames.count > 1 else { return graph }
        var graph = colocateLoopNodes(graph)
        var conditions: [Int: NodeID] = [:]
        for (id, node) in graph.nodes.enumerated() where node.role == .loopCondition {
            conditions[assignment.frameOfNode[id]] = id
        }
        struct Place: Hashable {
            let frame: Int
            let device: DeviceName
        }
        var loops: [Place: NodeID] = [:]

        func node(
            _ base: String, _ op: String, _ inputs: [Endpoint], _ device: DeviceName, controls: [NodeID] = [], _ attributes: Attributes
        ) throws -> NodeID {
            var made = try Node(
                name: graph.uniqueName("\(prefix)_\(base)"), op: registry.require(op), inputs: inputs, controlInputs: controls, attributes: attributes)
            made.device = device
            return try graph.add(made)
        }

        func loop(_ frame: Int, _ device: DeviceName) throws -> NodeID {
            let place = Place(frame: frame, device: device)
            if let known = loops[place] { return known }
            let layout = assignment.frames[frame]
            guard let condition = conditions[frame] else {
                throw Status.invalidArgument("A cross-device loop must have a pivot predicate: \(layout.name)")
            }
            let float: Attributes = ["T": .type(.float32)]
            var entering: NodeID
            if layout.parent == 0 {
                entering = try node("const", "Const", [], device, ["dtype": .type(.float32), "value": .tensor(Tensor([Float]()))])
            } else {
                entering = try loop(layout.parent, device)
            }
            let enter = try node(
                "enter", "Enter", [Endpoint(entering)], device,
                ["T": .type(.float32), "frame_name": .string(layout.name), "parallel_iterations": .int(layout.parallelIterations)])
            // The Merge closes the loop: its second input comes last.
            let merge = try node("merge", "Merge", [Endpoint(enter), Endpoint(enter)], device, ["T": .type(.float32), "N": 2])
            let branch = try node("switch", "Switch", [Endpoint(merge), Endpoint(condition)], device, float)
            let next = try node("next", "NextIteration", [Endpoint(branch, 1)], device, float)
            graph.nodes[merge].inputs[1] = Endpoint(next)
            // The control loop's own Switch receives the condition, too.
            if graph.nodes[condition].device != device { graph.nodes[branch].controlInputs = [merge] }
            loops[place] = merge
            return merge
        }

        for id in graph.nodes.indices where id < assignment.frameOfNode.count {
            let frame = assignment.frameOfNode[id]
            guard frame != 0, let device = graph.nodes[id].device else { continue }
            // Whatever arrives at a node arrives in the node's own frame.
            let crosses = (graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs).contains { graph.nodes[$0].device != device }
            guard crosses else { continue }
            let merge = try loop(frame, device)
            graph.nodes[id].controlInputs.append(merge)
        }
        // A device that has only what the loop's invariants are made into would run it once: it has to hear of each iteration.
        var drives = Set<Place>(), takesPart = Set<Place>()
        for id in assignment.frameOfNode.indices where assignment.frameOfNode[id] != 0 {
            guard let device = graph.nodes[id].device else { continue }
            let place = Place(frame: assignment.frameOfNode[id], device: device)
            takesPart.insert(place)
            if graph.nodes[id].role == .nextIteration { drives.insert(place) }
        }
        // A variable enters where it is, and is read from there in each iteration.
        for (id, frame) in assignment.enteredFrame {
            if let device = graph.nodes[id].device { takesPart.insert(Place(frame: frame, device: device)) }
        }
        for place in takesPart.subtracting(drives).sorted(by: { ($0.frame, $0.device.description) < ($1.frame, $1.device.description) })
        where loops[place] == nil && conditions[place.frame] != nil {
            _ = try loop(place.frame, place.device)
        }
        return graph
    }

    /// Switch and Exit go with what they take, Enter and NextIteration with whoever takes them.
    private static func colocateLoopNodes(_ graph: Graph) -> Graph {
        var graph = graph
        var consumer = [NodeID?](repeating: nil, count: graph.nodes.count)
        for (id, node) in graph.nodes.enumerated() {
            for input in node.inputs where consumer[input.node] == nil { consumer[input.node] = id }
        }
        for id in graph.topologicalOrder() {
            switch graph.nodes[id].role {
            case .switch, .exit:
                if let source = graph.nodes[id].inputs.first { graph.nodes[id].device = graph.nodes[source.node].device }
            case .enter, .nextIteration:
                if let user = consumer[id] { graph.nodes[id].device = graph.nodes[user].device }
            default: break
            }
        }
        return graph
    }
}
