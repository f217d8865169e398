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
