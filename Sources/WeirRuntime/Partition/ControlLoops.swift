package import WeirGraph
import WeirTensor

/// Adds control loops, so that loops over several devices run in step. Each device that takes part gets a small loop, driven by
/// the condition of the real loop. Each iteration of it releases the receives of that device. TensorFlow's `AddControlFlow`.
///
/// This runs once, before the graph is first partitioned. Partitions that a worker receives already contain the control loops.
///
/// As in TensorFlow, the Merge of a control loop is a control input of the nodes with inputs from other devices. Partitioning
/// moves this edge to the receive. So partitions can be partitioned again, by any worker.
package enum ControlLoops {
    private static let prefix = "_cloop"

    /// Whether a node is the Merge of a control loop. Each iteration of it releases the loop's receives on its device.
    static func isMerge(_ node: Node) -> Bool { node.role == .merge && node.name.hasPrefix(prefix) }

    /// Returns the graph with control loops.
    /// - Throws: `invalidArgument` when a loop that crosses devices has no condition.
    package static func add(to graph: Graph, registry: OpRegistry) throws -> Graph {
        let assignment = try FrameAssignment(graph)
        guard assignment.frames.count > 1 else { return graph }
        var graph = colocateLoopNodes(graph)
        var conditions: [Int: NodeID] = [:]
        for (id, node) in graph.nodes.enumerated() where node.role == .loopCondition {
            conditions[assignment.frameOfNode[id]] = id
        }
        struct FrameOnDevice: Hashable {
            let frame: Int
            let device: DeviceName
        }
        var loops: [FrameOnDevice: NodeID] = [:]

        func node(
            _ base: String, _ op: String, _ inputs: [Endpoint], _ device: DeviceName, controls: [NodeID] = [], _ attributes: Attributes
        ) throws -> NodeID {
            var made = try Node(
                name: graph.uniqueName("\(prefix)_\(base)"), op: registry.require(op), inputs: inputs, controlInputs: controls, attributes: attributes)
            made.device = device
            return try graph.add(made)
        }

        func loop(_ frame: Int, _ device: DeviceName) throws -> NodeID {
            let place = FrameOnDevice(frame: frame, device: device)
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
            // The second input is set below, when the NextIteration exists.
            let merge = try node("merge", "Merge", [Endpoint(enter), Endpoint(enter)], device, ["T": .type(.float32), "N": 2])
            let branch = try node("switch", "Switch", [Endpoint(merge), Endpoint(condition)], device, float)
            let next = try node("next", "NextIteration", [Endpoint(branch, 1)], device, float)
            graph.nodes[merge].inputs[1] = Endpoint(next)
            // The Switch of the control loop also receives the condition from another device.
            if graph.nodes[condition].device != device { graph.nodes[branch].controlInputs = [merge] }
            loops[place] = merge
            return merge
        }

        for id in graph.nodes.indices where id < assignment.frameOfNode.count {
            let frame = assignment.frameOfNode[id]
            guard frame != 0, let device = graph.nodes[id].device else { continue }
            // A value from another device arrives in the frame of the receiving node.
            let crosses = (graph.nodes[id].inputs.map(\.node) + graph.nodes[id].controlInputs).contains { graph.nodes[$0].device != device }
            guard crosses else { continue }
            let merge = try loop(frame, device)
            graph.nodes[id].controlInputs.append(merge)
        }
        // A device with only nodes that depend on loop invariants would run them once. A control loop makes it run each
        // iteration.
        var drives = Set<FrameOnDevice>(), takesPart = Set<FrameOnDevice>()
        for id in assignment.frameOfNode.indices where assignment.frameOfNode[id] != 0 {
            guard let device = graph.nodes[id].device else { continue }
            let place = FrameOnDevice(frame: assignment.frameOfNode[id], device: device)
            takesPart.insert(place)
            if graph.nodes[id].role == .nextIteration { drives.insert(place) }
        }
        // A variable enters the loop on its own device, and each iteration reads it there.
        for (id, frame) in assignment.enteredFrame {
            if let device = graph.nodes[id].device { takesPart.insert(FrameOnDevice(frame: frame, device: device)) }
        }
        for place in takesPart.subtracting(drives).sorted(by: { ($0.frame, $0.device.description) < ($1.frame, $1.device.description) })
        where loops[place] == nil && conditions[place.frame] != nil {
            _ = try loop(place.frame, place.device)
        }
        return graph
    }

    /// Places Switch and Exit with their inputs, and Enter and NextIteration with their consumers.
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
