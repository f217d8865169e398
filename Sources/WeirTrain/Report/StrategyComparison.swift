public import WeirTensor

/// The same training with several strategies, or those of several networks, side by side: a table, JSON, and a picture of one step of each.
public struct StrategyComparison: Sendable {
    /// What came of a training.
    public enum Outcome: Sendable {
        /// It ended.
        case trained(TrainingReport)
        /// It was not started: the strategy does not suit the model or the cluster.
        case inapplicable(Status)
        /// It could not be started, or broke off.
        case failed(Status)
    }
    /// One training.
    public struct Entry: Sendable {
        /// The network's name; nil if all entries train the same one.
        public var network: String?
        /// The strategy's name.
        public var strategy: String
        /// Where it trained: `ps=1,worker=2`.
        public var cluster: String
        /// The result, or why there is none.
        public var outcome: Outcome
        /// The greatest memory of each process in bytes, by task; empty if it is not known.
        public var memory: [String: Int]
        /// Makes an entry.
        public init(network: String? = nil, strategy: String, cluster: String, outcome: Outcome, memory: [String: Int] = [:]) {
            self.network = network
            self.strategy = strategy
            self.cluster = cluster
            self.outcome = outcome
            self.memory = memory
        }

        /// What tells it from the other entries.
        var name: [String] { [network, strategy, cluster].compactMap { $0 } }
        /// The report; nil if there is none.
        public var report: TrainingReport? { if case .trained(let report) = outcome { report } else { nil } }
        /// Why the training failed; nil if it did not. That a strategy does not apply is no failure.
        public var failure: Status? { if case .failed(let status) = outcome { status } else { nil } }
    }
    /// The trainings, in the order in which they ran.
    public var entries: [Entry]

    /// Makes a comparison.
    public init(_ entries: [Entry] = []) { self.entries = entries }

    /// A picture of the first traced step of each training: lanes are devices, arrows are tensors.
    public var svg: String {
        TimelinePicture(
            entries.compactMap { entry in
                entry.report?.timeline.map { TimelinePicture.Panel(entry.name.joined(separator: ", "), $0) }
            }
        ).svg
    }
}
