public import WeirGraph

public struct RunMetadata: Sendable {
    public var times: [NodeTime]
    public var partitionGraphs: [GraphDefinition]
    public init(times: [NodeTime] = [], partitionGraphs: [GraphDefinition] = []) {
        self.times = times
        self.partitionGraphs = partitionGraphs
    }
}
