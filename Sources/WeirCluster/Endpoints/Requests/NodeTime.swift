public import WeirTensor

/// When a node ran, and what it produced: TensorFlow's `NodeExecStats`.
public struct NodeTime: Sendable {
    /// The node's name.
    public var node: String
    /// The name of the node's op.
    public var op: String
    /// The device on which the node ran.
    public var device: String
    /// When the kernel started, in nanoseconds since 1970.
    public var start: Int
    /// When the kernel ended, in nanoseconds since 1970.
    public var end: Int
    /// The size of each output in bytes.
    public var outputBytes: [Int]
    /// The dtype of each output.
    public var outputTypes: [DType]
    /// The shape of each output.
    public var outputShapes: [Shape]
    /// The names of the nodes whose results the node waited for, as in `NodeDef.input`: `x`, `x:1` or `^x`. Nodes that did not
    /// run, because a pass folded or fused them, are replaced by those before them. Those of a send are the node whose tensor it
    /// sends, and in a loop what releases it. Empty for a receive outside of loops, for what a collective operation transfers, and
    /// for a node in the body of a function.
    public var inputs: [String] = []
    /// What a send or a receive transfers; nil for all other nodes.
    public var transfer: Transfer?

    /// The tensor of a send or a receive node.
    public struct Transfer: Sendable, Hashable {
        /// The name of the tensor's edge: `tensor_name` in the node's attributes.
        public var edge: String
        /// The device at the other end: the receiver of a send, the sender of a receive.
        public var peer: String
        /// Makes the description of a transfer.
        public init(edge: String, peer: String) {
            self.edge = edge
            self.peer = peer
        }

        /// The node whose tensor is transferred, as partitioning names edges: `x` for `edge_7_x`, and for `x:0`, which a client feeds or
        /// fetches. Nil for an edge with another name.
        package var producer: Substring? {
            let parts = edge.split(separator: "_", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3, parts[0] == "edge", Int(parts[1]) != nil { return parts[2].isEmpty ? nil : parts[2] }
            guard let colon = edge.lastIndex(of: ":"), Int(edge[edge.index(after: colon)...]) != nil, colon > edge.startIndex else { return nil }
            return edge[..<colon]
        }
    }

    /// Makes the record of a node.
    public init(
        node: String, op: String, device: String, start: Int, end: Int, outputBytes: [Int] = [], outputTypes: [DType] = [],
        outputShapes: [Shape] = []
    ) {
        self.node = node
        self.op = op
        self.device = device
        self.start = start
        self.end = end
        self.outputBytes = outputBytes
        self.outputTypes = outputTypes
        self.outputShapes = outputShapes
    }
}

extension NodeTime {
    /// The node of an input: `x` for `x`, `x:1` and `^x`.
    package static func node(ofInput input: String) -> Substring { input.drop { $0 == "^" }.prefix { $0 != ":" } }
}

extension NodeTime: CustomStringConvertible {
    /// The node, its op, device and duration, and its outputs: `y (Mul) on /device:CPU:0: 12.3 µs, float[2,2]`.
    public var description: String {
        let outputs = zip(outputTypes, outputShapes).map { ", \($0)\($1)" }.joined()
        return "\(node) (\(op)) on \(device): \(NodeTime.text(nanoseconds: end - start))\(outputs)"
    }

    /// Returns a duration with one decimal: `12.3 µs`.
    static func text(nanoseconds: Int) -> String {
        func tenths(_ unit: Int) -> String { "\(nanoseconds / unit).\(nanoseconds % unit * 10 / unit)" }
        return nanoseconds < 1_000_000 ? "\(tenths(1000)) µs" : "\(tenths(1_000_000)) ms"
    }
}
