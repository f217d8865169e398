import Synchronization
import WeirGraph
import WeirTensor

/// A compiled kind of step: its partitions, each registered with the worker of one task. TensorFlow's `ReffedClientGraph`.
final class StepPlan: Sendable {
    /// The partition of one task.
    struct Part: Sendable {
        let task: DeviceName
        let worker: any WorkerEndpoint
        /// The handle that the worker gave the partition.
        let handle: String
        /// Whether this partition gets the feeds and returns the fetches.
        let isClient: Bool
    }
    let parts: [Part]
    /// The graph before partitioning. Partial runs check with it which fetches can be computed.
    let graph: Graph
    /// The rendezvous keys of feeds and fetches, by the client's names of the tensors.
    let feedKeys: [String: String]
    let fetchKeys: [String: String]
    let feedTypes: [String: DType]
    /// The task of the master, under which traced steps record its calls.
    let master: String
    private let session: String
    private let isEvicted = Atomic<Bool>(false)

    init(
        parts: [Part], graph: Graph, feedKeys: [String: String], fetchKeys: [String: String], feedTypes: [String: DType],
        session: String = "", master: String = ""
    ) {
        self.session = session
        self.master = master
        // Other tasks first, because the partition of this process runs on the calling thread, and the others must not wait for it.
        self.parts = parts.filter { !$0.isClient } + parts.filter { $0.isClient }
        self.graph = graph
        self.feedKeys = feedKeys
        self.fetchKeys = fetchKeys
        self.feedTypes = feedTypes
    }

    /// Deregisters the plan's graphs when no step uses the plan any more. Not needed when the session is closed, because
    /// workers drop all graphs of a closed session.
    func deregisterWhenUnused() { isEvicted.store(true, ordering: .releasing) }
    deinit {
        guard isEvicted.load(ordering: .acquiring) else { return }
        for part in parts {
            Task.detached { [session] in
                // A task that does not respond keeps its graph until the session is closed.
                await Deadline.run(within: .seconds(10)) { try? await part.worker.deregisterGraph(part.handle, session: session) }
            }
        }
    }

    /// Returns the feeds under their rendezvous keys.
    /// - Throws: `invalidArgument` for a feed of the wrong dtype.
    func sends(for feeds: [NamedTensor]) throws(Status) -> [NamedTensor] {
        var sends: [NamedTensor] = []
        for feed in feeds {
            guard let key = feedKeys[feed.name], let type = feedTypes[feed.name] else { continue }
            guard feed.tensor.dtype == type else {
                throw .invalidArgument("Feed '\(feed.name)' must be of type \(type), found \(feed.tensor.dtype)")
            }
            sends.append(NamedTensor(key, feed.tensor))
        }
        return sends
    }

    /// Returns the rendezvous keys of the fetches.
    func receives(for fetches: [String]) -> [String] { fetches.compactMap { fetchKeys[$0] } }

    /// Returns the reply to the client, with the tensors in the order of the fetches.
    /// - Throws: `internalError` when no task returned a fetch.
    func reply(to fetches: [String], from replies: [RunGraphReply], withMetadata: Bool = false) throws(Status) -> RunStepReply {
        var byKey: [String: Tensor] = [:]
        for named in replies.lazy.flatMap(\.received) { byKey[named.name] = named.tensor }
        var tensors: [NamedTensor] = []
        for fetch in fetches {
            guard let key = fetchKeys[fetch], let tensor = byKey[key] else {
                throw .internalError("No value was returned for '\(fetch)'")
            }
            tensors.append(NamedTensor(fetch, tensor))
        }
        guard withMetadata else { return RunStepReply(tensors: tensors) }
        var metadata = RunMetadata(times: replies.flatMap(\.times), partitionGraphs: replies.flatMap(\.partitionGraphs))
        metadata.calls = replies.compactMap(\.call)
        return RunStepReply(tensors: tensors, metadata: metadata)
    }

    /// Tells every task to forget a step, and does not wait for them.
    func cleanUp(step: Int) {
        for part in parts { part.worker.forget(step: step) }
    }

    /// Identifies a kind of step: the same feeds, fetches and targets in any order.
    struct Key: Hashable, Sendable {
        let feeds: [String]
        let fetches: [String]
        let targets: [String]
        let isPartial: Bool
        init(feeds: [String], fetches: [String], targets: [String], isPartial: Bool = false) {
            self.feeds = feeds.sorted()
            self.fetches = fetches.sorted()
            self.targets = targets.sorted()
            self.isPartial = isPartial
        }
    }
}
