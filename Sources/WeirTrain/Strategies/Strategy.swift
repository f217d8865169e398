public import WeirTensor

/// A way to split the work of training over devices and servers.
///
/// A strategy turns a model into graphs and the clients that run them. The model knows nothing of it. See the guide *Splitting
/// the work* for when to take which.
public protocol Strategy: Sendable {
    /// The name, as `weir train --strategy` takes it.
    var name: String { get }
    /// Makes the graphs and clients of one training.
    /// - Throws: `invalidArgument` when the model or the cluster cannot be split this way, before anything starts.
    func plan(_ model: ModelGraph, _ setting: TrainingSetting) throws(Status) -> TrainingPlan
}
