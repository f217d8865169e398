public import WeirTensor

/// When a node ran, in nanoseconds since 1970.
public struct NodeTime: Sendable {
    public var node: String
    public var op: String
    public var device: String
    public var start: Int
    public var end: Int
    public var outputBytes: [Int]
    public var outputTypes: [DType]
    public var outputShapes: [Shape]
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
