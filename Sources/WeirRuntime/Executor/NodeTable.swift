import Synchronization
import WeirGraph
import WeirTensor

/// A synchronous kernel as an object that is called through an unmanaged reference, without reference counting.
final class KernelBody {
    private let body: Kernel.Synchronous
    private init(_ body: @escaping Kernel.Synchronous) { self.body = body }

    static func retained(_ kernel: Kernel) -> Unmanaged<KernelBody>? {
        guard case .sync(let body) = kernel else { return nil }
        return .passRetained(KernelBody(body))
    }
    func run(_ context: borrowing KernelContext) throws { try body(context) }
}

extension Node {
    /// The name of the node in error messages. A send or receive that partitioning added gets the name of the node whose value
    /// it carries, because the user knows that name.
    fileprivate var messageName: String {
        guard isSend || isReceive, let tensor = attributes.string("tensor_name") else { return name }
        let parts = tensor.split(separator: "_", maxSplits: 2)
        if parts.count == 3, parts[0] == "edge" { return String(parts[2]) }
        // A fed or fetched tensor has the name that the client uses, `node:output`. Node names have no output number.
        return InputReference(tensor)?.node ?? tensor
    }
}

/// A partition of a graph as flat arrays, so that the data that the executor reads for a node is adjacent. TensorFlow's
/// `GraphView`.
final class NodeTable: @unchecked Sendable {  // immutable after init, except `costs`, which is atomic
    enum Kind: UInt8 {
        case ordinary, merge, enter, constantEnter, exit, nextIteration, controlTrigger
        /// Send and receive. They also run with dead inputs, because the receiver must learn that the tensor is dead.
        case transfer
        case argument, result
    }
    struct Entry {
        var kernel: Kernel
        /// The kernel, if it is synchronous. The table owns it.
        var body: Unmanaged<KernelBody>?
        var kind: Kind
        /// Whether an input may hold a reference although the kernel takes a value.
        var dereferences: Bool
        var inputStart: Int32
        var inputCount: Int32
        var outputCount: Int32
        var typeStart: Int32
        var edgeStart: Int32
        var edgeCount: Int32
        /// The node's index in `FrameLayout.pending`.
        var pendingIndex: Int32
        var frame: Int32
        /// The index of an argument or result, or the frame that an Enter leads into.
        var position: Int32
        /// For a Merge: how many dead inputs make it dead.
        var deadThreshold: Int32
    }
    struct Edge {
        /// The index of the source output; -1 for a control edge.
        var output: Int32
        var node: Int32
        /// The input slot of the target node in its frame; -1 for a control edge.
        var slot: Int32
        /// Whether this is the last edge that takes the output, so that the value can be moved.
        var isLast: Bool
        var leadsToMerge: Bool
    }
    struct FrameLayout {
        var name: String
        var parallelIterations: Int
        var enterCount: Int
        var slotCount = 0
        var pending: [Int64] = []
    }

    let count: Int
    let entries: UnsafeMutablePointer<Entry>
    let edges: UnsafeMutablePointer<Edge>
    let types: [PortType]
    let inputTypes: [PortType]
    let inputTypeStarts: [Int]
    let frames: [FrameLayout]
    let roots: [Int32]
    let maximumOutputCount: Int
    let names: [String]
    /// The names of the nodes in error messages.
    let messageNames: [String]
    let ops: [String]
    let hasLoops: Bool
    let argumentCount: Int
    let resultCount: Int
    /// The time in microseconds that each node took when it was last measured.
    let costs: UnsafeMutablePointer<Atomic<UInt32>>

    init(_ graph: Graph, _ assignment: FrameAssignment, kernels: [Kernel]) {
        count = graph.nodes.count
        entries = .allocate(capacity: max(count, 1))
        costs = .allocate(capacity: max(count, 1))
        names = graph.nodes.map(\.name)
        messageNames = graph.nodes.map(\.messageName)
        ops = graph.nodes.map { $0.op.name }
        hasLoops = assignment.frames.count > 1
        var frames = assignment.frames.map {
            FrameLayout(name: $0.name, parallelIterations: $0.parallelIterations, enterCount: $0.enterCount)
        }
        var types: [PortType] = []
        var inputTypes: [PortType] = []
        var inputTypeStarts: [Int] = []
        var consumers = [[Edge]](repeating: [], count: count)
        var maximum = 1
        var roots: [Int32] = []
        var (arguments, results) = (0, 0)
        for (id, node) in graph.nodes.enumerated() {
            let frame = assignment.frameOfNode[id]
            let kind = NodeTable.kind(of: node)
            let isMerge = kind == .merge
            let start = frames[frame].slotCount
            var deadThreshold = 0
            for (position, input) in node.inputs.enumerated() {
                consumers[input.node].append(
                    Edge(output: Int32(input.index), node: Int32(id), slot: Int32(start + position), isLast: false, leadsToMerge: isMerge))
                if graph.nodes[input.node].role != .nextIteration { deadThreshold += 1 }
            }
            for control in node.controlInputs {
                consumers[control].append(Edge(output: -1, node: Int32(id), slot: -1, isLast: false, leadsToMerge: isMerge))
            }
            let position = assignment.enteredFrame[id] ?? node.attributes.int("index") ?? 0
            if kind == .argument { arguments = max(arguments, min(position, 1 << 20) + 1) }
            if kind == .result { results = max(results, min(position, 1 << 20) + 1) }
            entries.advanced(by: id).initialize(
                to: Entry(
                    kernel: kernels[id], body: KernelBody.retained(kernels[id]), kind: kind,
                    dereferences: zip(node.inputTypes, node.inputs).contains {
                        !$0.isReference && graph.nodes[$1.node].outputTypes[$1.index].isReference
                    },
                    inputStart: Int32(start), inputCount: Int32(node.inputs.count),
                    outputCount: Int32(node.outputTypes.count), typeStart: Int32(types.count), edgeStart: 0,
                    edgeCount: 0, pendingIndex: Int32(frames[frame].pending.count), frame: Int32(frame),
                    position: Int32(clamping: position), deadThreshold: Int32(deadThreshold)))
            costs.advanced(by: id).initialize(to: Atomic(0))
            types += node.outputTypes
            inputTypeStarts.append(inputTypes.count)
            inputTypes += node.inputTypes
            maximum = max(maximum, node.outputTypes.count)
            frames[frame].slotCount += node.inputs.count
            // For a Merge only control edges are counted, because the first live input makes it ready.
            frames[frame].pending.append(Int64(node.controlInputs.count + (isMerge ? 0 : node.inputs.count)))
            if node.inputs.isEmpty && node.controlInputs.isEmpty { roots.append(Int32(id)) }
        }
        let total = consumers.reduce(0) { $0 + $1.count }
        edges = .allocate(capacity: max(total, 1))
        var next = 0
        for id in 0..<count {
            entries[id].edgeStart = Int32(next)
            entries[id].edgeCount = Int32(consumers[id].count)
            var seen = Set<Int32>()
            var list = consumers[id].sorted { $0.output < $1.output }
            for position in list.indices.reversed() {
                list[position].isLast = seen.insert(list[position].output).inserted && list[position].output >= 0
            }
            for edge in list {
                edges.advanced(by: next).initialize(to: edge)
                next += 1
            }
        }
        self.types = types
        self.inputTypes = inputTypes
        self.inputTypeStarts = inputTypeStarts
        self.frames = frames
        self.roots = roots
        maximumOutputCount = maximum
        argumentCount = arguments
        resultCount = results
    }

    deinit {
        for id in 0..<count { entries[id].body?.release() }
        entries.deinitialize(count: count)
        entries.deallocate()
        edges.deallocate()
        costs.deinitialize(count: count)
        costs.deallocate()
    }

    private static func kind(of node: Node) -> Kind {
        switch node.role {
        case .merge: .merge
        case .enter: node.attributes.bool("is_constant") == true ? .constantEnter : .enter
        case .exit: .exit
        case .nextIteration: .nextIteration
        case .controlTrigger: .controlTrigger
        case .send, .receive: .transfer
        case .argument: .argument
        case .result: .result
        case .compute, .constant, .placeholder, .noOp, .switch, .loopCondition: .ordinary
        }
    }
}
