public import WeirGraph

/// What was recorded of a step: TensorFlow's `RunMetadata`.
public struct RunMetadata: Sendable {
    /// When each node ran, on all tasks.
    public var times: [NodeTime]
    /// The graphs that the tasks' devices ran.
    public var partitionGraphs: [GraphDefinition]
    /// The master's calls of the tasks, which say how the tasks' clocks differ. Only a master of Weir records them.
    public var calls: [StepCall] = []
    /// Makes the metadata of a step.
    public init(times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}

extension RunMetadata: CustomStringConvertible {
    /// The number of node runs and the time from the first start to the last end, then the ten longest runs, one a line.
    public var description: String {
        let span = (times.map(\.end).max() ?? 0) - (times.map(\.start).min() ?? 0)
        let head = "RunMetadata: \(times.count) node runs in \(NodeTime.text(nanoseconds: span)), \(partitionGraphs.count) partition graphs"
        let longest = times.sorted { $0.end - $0.start > $1.end - $1.start }.prefix(10)
        return ([head] + longest.map { "  \($0)" }).joined(separator: "\n")
    }
}
