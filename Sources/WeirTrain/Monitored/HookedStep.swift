import WeirCluster
import WeirGraph
import WeirTensor
import WeirWire

/// A step: what the caller asks for, and what the hooks add.
struct HookedStep: Sendable {
    private(set) var fetches: [String]
    private(set) var feeds: [NamedTensor]
    private(set) var targets: [String]
    private(set) var options: RunOptions
    /// The number of fetches that are the caller's: the first.
    let ownCount: Int
    /// Who feeds what.
    private var feeders: [String: String] = [:]
    /// The labels of each hook's fetches, with their positions.
    private var labels: [Int: [String: Int]] = [:]

    init(fetches: [String], feeds: [NamedTensor], targets: [String], options: RunOptions) {
        self.fetches = fetches
        self.feeds = feeds
        self.targets = targets
        self.options = options
        ownCount = fetches.count
        for feed in feeds { feeders[feed.name] = "the caller of run" }
    }

    /// Adds what a hook asks for.
    /// - Parameter hook: its position.
    /// - Throws: `invalidArgument` when it feeds what another feeds, or a value does not fit.
    mutating func add(_ added: SessionRunArgs, of hook: any SessionRunHook, at position: Int) throws(Status) {
        for (label, output) in added.fetches.sorted(by: { $0.key < $1.key }) {
            labels[position, default: [:]][label] = fetches.count
            fetches.append(output.name)
        }
        targets += added.targets.map(\.name)
        for feed in try Session.named(added.feeds) {
            if let other = feeders.updateValue(hook.typeName, forKey: feed.name) {
                throw .invalidArgument("'\(feed.name)' is fed twice: by \(other) and by \(hook.typeName)")
            }
            feeds.append(feed)
        }
        options.traces = options.traces || added.options.traces
        options.returnsPartitionGraphs = options.returnsPartitionGraphs || added.options.returnsPartitionGraphs
        options.timeout = [options.timeout, added.options.timeout].compactMap { $0 }.max()
    }

    /// What a hook gets of the reply.
    func values(_ reply: RunStepReply, ofHookAt position: Int) -> SessionRunValues {
        let results = (labels[position] ?? [:]).mapValues { reply.tensors[$0].tensor }
        return SessionRunValues(results: results, options: options, metadata: reply.metadata)
    }
}
