public import WeirCluster
public import WeirTensor

/// What a hook gets of a step. TensorFlow's `SessionRunValues`.
public struct SessionRunValues: Sendable {
    /// What the hook fetched, by its labels.
    public let results: [String: Tensor]
    /// The options of the step, those of all hooks together.
    public let options: RunOptions
    /// What was recorded of the step; nil if nobody asked for it.
    public let metadata: RunMetadata?
}
