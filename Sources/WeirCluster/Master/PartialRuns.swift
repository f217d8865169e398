import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The partial runs of a session: steps that a client feeds and fetches in several calls.
///
/// A client may abandon its partial runs, so the number of them is limited. The least recently used ones are evicted.
final class PartialRuns: Sendable {
    fileprivate struct Run {
        let plan: StepPlan
        let step: Int
        /// The feeds and the fetches that no call has had yet.
        var feedsLeft: Set<String>
        var fetchesLeft: Set<String>
    }
    private struct State {
        var isClosed = false
        var runs = LRUCache<String, Run>(capacity: 1000)
        var nextHandle = 0
    }
    private let session: String
    private let runner: StepRunner
    private let state = Mutex(State())

    init(session: String, runner: StepRunner) {
        self.session = session
        self.runner = runner
    }

    /// Sets a partial run up. TensorFlow's `PartialRunSetup`.
    /// - Parameter request: the names of all feeds and fetches of the run.
    /// - Returns: the handle for the calls of the run.
    /// - Throws: `failedPrecondition` when the session is closed.
    func begin(_ request: RunStep, _ plan: StepPlan) throws(Status) -> String {
        let run = Run(
            plan: plan, step: StepRunner.newStepID(), feedsLeft: Set(request.feedNames), fetchesLeft: Set(request.fetches))
        let (handle, evicted) = try state.withLock { state throws(Status) -> (String, [Run]) in
            if state.isClosed { throw StepRunner.closed }
            let handle = String(state.nextHandle)
            state.nextHandle += 1
            return (handle, state.runs.insert(handle, run))
        }
        for run in evicted { run.plan.cleanUp(step: run.step) }
        return handle
    }

    /// Runs one call of a partial run.
    /// - Parameter done: gets `invalidArgument` when the call has a feed or a fetch that the run does not have or that an
    ///   earlier call had, or when a fetch needs a feed that is still missing.
    func run(_ request: RunStep, cancellation: Cancellation, timeout: Duration?, _ done: @escaping Completion<RunStepReply>) {
        let (handle, begin) = (request.partialRunHandle, ContinuousClock.now)
        do throws(Status) {
            let (plan, call) = try advance(request)
            do throws(Status) {
                try runner.start(call, plan, cancellation: cancellation, timeout: timeout) { [self] result in
                    let hasFailed = if case .failure = result { true } else { false }
                    if hasFailed || call.isLastPartial { end(handle, plan, call.step) }
                    let reply = result.flatMap { replies in
                        Result { () throws(Status) in try plan.reply(to: request.fetches, from: replies) }
                    }
                    runner.finish(reply, since: begin, done)
                }
            } catch {
                end(handle, plan, call.step)
                throw error
            }
        } catch {
            runner.finish(.failure(error), since: begin, done)
        }
    }

    /// Marks the feeds and fetches of a call as had.
    /// - Returns: the plan of the run, and the call for its tasks.
    private func advance(_ request: RunStep) throws(Status) -> (plan: StepPlan, call: RunGraph) {
        let handle = request.partialRunHandle
        return try state.withLock { state throws(Status) in
            if state.isClosed { throw StepRunner.closed }
            guard var run = state.runs.use(handle) else {
                throw .invalidArgument("Must run PartialRunSetup before performing partial runs")
            }
            // First, because a call with a feed of the wrong type marks nothing.
            let sends = try run.plan.sends(for: request.feeds)
            try run.advance(request)
            let isLast = run.feedsLeft.isEmpty && run.fetchesLeft.isEmpty
            state.runs.remove(handle)
            if !isLast { _ = state.runs.insert(handle, run) }
            var call = RunGraph(session: session, graph: "", step: run.step, sends: sends, receives: run.plan.receives(for: request.fetches))
            call.isPartial = true
            call.isLastPartial = isLast
            return (run.plan, call)
        }
    }

    private func end(_ handle: String, _ plan: StepPlan, _ step: Int) {
        state.withLock { _ = $0.runs.remove(handle) }
        plan.cleanUp(step: step)
    }

    /// Ends all partial runs. Later calls fail with `failedPrecondition`.
    func close() {
        let runs = state.withLock { state in
            state.isClosed = true
            return state.runs.removeAll()
        }
        for run in runs { run.plan.cleanUp(step: run.step) }
    }
}

extension PartialRuns.Run {
    /// Removes the feeds and fetches of a call from those that are left.
    fileprivate mutating func advance(_ request: RunStep) throws(Status) {
        for feed in request.feedNames where feedsLeft.remove(feed) == nil {
            let reason = plan.feedKeys[feed] == nil ? "was not specified in partial_run_setup." : "has already been fed."
            throw .invalidArgument("The feed \(feed) \(reason)")
        }
        for fetch in request.fetches where fetchesLeft.remove(fetch) == nil {
            let reason = plan.fetchKeys[fetch] == nil ? "was not specified in partial_run_setup." : "has already been fetched."
            throw .invalidArgument("The fetch \(fetch) \(reason)")
        }
        try checkComputable(request.fetches)
    }

    /// Checks that no fetch depends on a feed that is left.
    private func checkComputable(_ fetches: [String]) throws(Status) {
        let missing = Set(
            feedsLeft.compactMap { name in
                InputReference(name).flatMap { plan.graph.index["_recv_\($0.node)_\($0.index)"] }
            })
        for fetch in fetches {
            guard let reference = InputReference(fetch), let node = plan.graph.index["_send_\(reference.node)_\(reference.index)"] else { continue }
            let ancestors = plan.graph.ancestors(of: [node])
            if missing.contains(where: { ancestors[$0] }) {
                throw .invalidArgument("Fetch \(fetch) can't be computed from the feeds that have been fed so far.")
            }
        }
    }
}
