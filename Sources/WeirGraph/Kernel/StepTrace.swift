public import WeirTensor

/// Records when each node ran. `start` and `end` are nanoseconds since 1970.
public protocol StepTrace: AnyObject, Sendable {
    /// Records one run of a node.
    func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [EdgeValue])
    /// Records what a node passed to one other device or got from it while it ran, as nodes of collective ops do. A trace that does
    /// not implement it does not have these records.
    func record(_ transfer: TracedTransfer)
}

extension StepTrace {
    /// Records nothing.
    public func record(_ transfer: TracedTransfer) {}
}

/// What a running node passed to one other device, or got from it. The other device records the other direction of the same edge.
public struct TracedTransfer: Sendable, Hashable {
    /// Which way the elements went.
    public enum Direction: Sendable { case send, receive }
    /// Which way the elements went.
    public var direction: Direction
    /// The name of the record, as if it were a node.
    public var node: String
    /// What the records of both ends have in common, beside the devices.
    public var edge: String
    /// The device of the node.
    public var device: String
    /// The other device.
    public var peer: String
    /// The element type.
    public var dtype: DType
    /// The number of elements, in however many messages.
    public var elementCount: Int
    /// When the first message was sent, or the node began to wait for it.
    public var start: Int
    /// When the first message was on its way, or the last one had arrived.
    public var end: Int

    /// One end of a transfer.
    public init(
        _ direction: Direction, node: String, edge: String, device: String, peer: String, dtype: DType, elementCount: Int, start: Int, end: Int
    ) {
        self.direction = direction
        self.node = node
        self.edge = edge
        self.device = device
        self.peer = peer
        self.dtype = dtype
        self.elementCount = elementCount
        self.start = start
        self.end = end
    }
}
