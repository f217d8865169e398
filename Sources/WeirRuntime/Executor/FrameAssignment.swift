import WeirGraph
import WeirTensor

/// The loop frame of each node of a graph, found by following Enter and Exit. TensorFlow's `BuildControlFlowInfo`.
struct FrameAssignment {
    struct Frame {
        var name: String
        var parent: Int
        /// How many Enter nodes lead into the frame. The first iteration cannot be complete before all of them have run.
        var enterCount = 0
        var parallelIterations = 10
        /// How many frames enclose this one.
        var depth = 0
    }
    /// Nested frames use stack, so their depth is limited. No real program nests loops this deep.
    static let maximumDepth = 100
    /// All frames. Frame 0 is the graph outside of all loops.
    private(set) var frames = [Frame(name: "", parent: 0)]
    /// The frame each node runs in.
    private(set) var frameOfNode: [Int]
    /// The frame that each Enter leads into.
    private(set) var enteredFrame: [NodeID: Int] = [:]

    /// - Throws: `invalidArgument` when an edge crosses frames without Enter or Exit.
    init(_ graph: Graph) throws {
        frameOfNode = [Int](repeating: -1, count: graph.nodes.count)
        guard graph.nodes.contains(where: { $0.role == .enter || $0.role == .exit }) else {
            frameOfNode = [Int](repeating: 0, count: graph.nodes.count)
            return
        }
        var consumers = [[NodeID]](repeating: [], count: graph.nodes.count)
        for (id, node) in graph.nodes.enumerated() {
            for source in node.inputs.map(\.node) + node.controlInputs { consumers[source].append(id) }
        }
        var children: [String: Int] = [:]
        var queue: [NodeID] = []
        for (id, node) in graph.nodes.enumerated() where node.inputs.isEmpty && node.controlInputs.isEmpty {
            frameOfNode[id] = 0
            queue.append(id)
        }
        var head = 0
        while head < queue.count {
            let id = queue[head]
            head += 1
            let node = graph.nodes[id]
            // The frame in which the node's outputs arrive.
            var frame = frameOfNode[id]
            if node.role == .enter {
                guard let name = node.attributes.string("frame_name"), !name.isEmpty else {
                    throw Status.invalidArgument("The Enter '\(node.name)' must have a frame name")
                }
                let key = "\(frame);\(name)"
                let parallel = max(1, node.attributes.int("parallel_iterations") ?? 10)
                if let known = children[key] {
                    frame = known
                } else {
                    let depth = frames[frame].depth + 1
                    guard depth <= FrameAssignment.maximumDepth else {
                        throw Status.invalidArgument("Loops are nested more than \(FrameAssignment.maximumDepth) deep at '\(node.name)'")
                    }
                    frames.append(Frame(name: name, parent: frame, parallelIterations: parallel, depth: depth))
                    frame = frames.count - 1
                    children[key] = frame
                }
                frames[frame].enterCount += 1
                enteredFrame[id] = frame
            } else if node.role == .exit {
                guard frame > 0 else {
                    throw Status.invalidArgument("Invalid Exit op: Cannot find a corresponding Enter op for '\(node.name)'")
                }
                frame = frames[frame].parent
            }
            for consumer in consumers[id] {
                if frameOfNode[consumer] < 0 {
                    frameOfNode[consumer] = frame
                    queue.append(consumer)
                } else if frameOfNode[consumer] != frame {
                    let other = graph.nodes[consumer].name
                    throw Status.invalidArgument(
                        "The node '\(other)' has inputs from different frames. The input '\(node.name)' is in frame "
                            + "'\(frames[frame].name)'; another is in frame '\(frames[frameOfNode[consumer]].name)'.")
                }
            }
        }
        // Nodes of a cycle without an Enter never become ready. They are put outside of the loops.
        for id in frameOfNode.indices where frameOfNode[id] < 0 { frameOfNode[id] = 0 }
    }
}
