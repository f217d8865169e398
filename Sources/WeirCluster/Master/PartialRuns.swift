import WeirGraph
import WeirRuntime
import WeirTensor

/// A step that a client runs in parts: what it has still to feed and may still fetch.
struct PartialRun: Sendable {
    let plan: StepPlan
    let step: Int
    fileprivate var feedsLeft: Set<String>
    fileprivate var fetchesLeft: Set<String>
}

/// The partial runs of a session. A client that does not finish them loses those that it has not used for longest.
struct PartialRuns: Sendable {
    private var runs = LRUCache<String, PartialRun>(capacity: 1000)
    private var next = 0

    /// - Returns: the new run's handle, and runs that made room for it.
    mutating func begin(_ plan: StepPlan, step: Int, feeds: [String], fetches: [String]) -> (handle: String, gone: [PartialRun]) {
        defer { next += 1 }
        let run = PartialRun(plan: plan, step: step, feedsLeft: Set(feeds), fetchesLeft: Set(fetches))
        return (String(next), runs.insert(String(next), run))
    }

    /// Notes that a part feeds and fetches what its request names.
    /// - Returns: the run, and whether this is its last part.
    /// - Throws: `invalidArgument` when the part names what the run does not have or has had, or fetches what its feeds do not give.
    mutating func advance(_ request: RunStep) throws(Status) -> (run: PartialRun, isLast: Bool) {
        let handle = request.partialRunHandle
        guard var run = runs.use(handle) else { throw .invalidArgument("Must run PartialRunSetup before performing partial runs") }
        for feed in request.feedNames where run.feedsLeft.remove(feed) == nil {
            let reason = run.plan.feedKeys[feed] == nil ? "was not specified in partial_run_setup." : "has already been fed."
            throw .invalidArgument("The feed \(feed) \(reason)")
        }
        for fetch in request.fetches where run.fetchesLeft.remove(fetch) == nil {
            let reason = run.plan.fetchKeys[fetch] == nil ? "was not specified in partial_run_setup." : "has already been fetched."
            throw .invalidArgument("The fetch \(fetch) \(reason)")
        }
        try PartialRuns.checkComputable(request.fetches, run.plan.graph, missing: run.feedsLeft)
        let isLast = run.feedsLeft.isEmpty && run.fetchesLeft.isEmpty
        runs.remove(handle)
        if !isLast { _ = runs.insert(handle, run) }
        return (run, isLast)
    }

    /// The plan of a run, if there is one of this handle.
    func plan(_ handle: String) -> StepPlan? { runs.peek(handle)?.plan }

    mutating func end(_ handle: String) { runs.remove(handle) }
    mutating func endAll() -> [PartialRun] { runs.removeAll() }

    private static func checkComputable(_ fetches: [String], _ graph: Graph, missing: Set<String>) throws(Status) {
        let unfed = Set(
            missing.compactMap { name in
                InputReference(name).flatMap { graph.index["_recv_\($0.node)_\($0.index)"] }
            })
        for fetch in fetches {
            guard let reference = InputReference(fetch), let node = graph.index["_send_\(reference.node)_\(reference.index)"] else { continue }
            let reached = graph.ancestors(of: [node])
            if unfed.contains(where: { reached[$0] }) {
                throw .invalidArgument("Fetch \(fetch) can't be computed from the feeds that have been fed so far.")
            }
        }
    }
}
