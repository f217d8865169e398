public import WeirGraph

/// What was recorded of a step: TensorFlow's `RunMetadata`.
public struct RunMetadata: Sendable {
    /// When each node ran, on all tasks.
    public var times: [NodeTime]
    /// The graphs that the tasks' devices ran.
    public var partitionGraphs: [GraphDefinition]
    /// Makes the metadata of a step.
    public init(times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}
