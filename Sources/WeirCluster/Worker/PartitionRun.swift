import WeirGraph
import WeirRuntime
import WeirTensor

/// One RunGraph call: a run of this task's partition of a step, or one call of a partial run.
struct PartitionRun: Sendable {
    let request: RunGraph
    let graph: LocalGraph
    private let collectives: (any CollectiveExecutor)?
    let session: WorkerSession
    let step: StepTable.Step
    private let steps: StepTable
    private let metrics: ServerMetrics
    private let begin = ContinuousClock.now
    /// When the call arrived, by the clock of traces; 0 if the step is not traced.
    private let arrived: Int

    /// Registers the call with its step and its session until `start` calls its completion.
    init(_ request: RunGraph, _ graph: WorkerSession.RegisteredGraph, in session: WorkerSession, steps: StepTable, metrics: ServerMetrics) {
        self.request = request
        self.graph = graph.local
        collectives = graph.collectives
        self.session = session
        self.steps = steps
        self.metrics = metrics
        arrived = request.recordsTimes ? StepClock.now() : 0
        step = steps.begin(request.step, session: session.handle)
        session.begin()
    }

    /// Feeds the partition, runs it and returns its fetches.
    /// - Parameter cancellation: the caller's. It ends the run early.
    func start(cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        do {
            for value in request.sends { try step.rendezvous.send(RendezvousKey(value.name), RendezvousItem(value.tensor)) }
        } catch {
            return end(.failure(Status(error)), done)
        }
        if request.isPartial {
            runPartially(cancellation) { [self] in end($0, done) }
        } else {
            run(cancellation, done)
        }
    }

    private func end(_ result: Result<RunGraphReply, Status>, _ done: Completion<RunGraphReply>) {
        session.end()
        steps.end(step)
        metrics.partitions.record(result, since: begin)
        metrics.recordLoad(of: session.devices.client.pool)
        done(result)
    }

    func context(_ cancellation: Cancellation, _ times: StepTimes?) -> StepContext {
        StepContext(
            id: step.id,
            rendezvous: RemoteRendezvous(local: step.rendezvous, step: step.id, peers: session.peers, cancellation: cancellation),
            cancellation: cancellation, sessionHandle: session.handle, trace: times, collectives: collectives)
    }

    private func run(_ outer: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        let times = request.recordsTimes ? StepTimes() : nil
        // A failing kernel cancels the step, but must not cancel what else the caller runs. So the step has its own cancellation.
        let cancellation = Cancellation()
        let context = context(cancellation, times)
        let token = outer.register { [step] in
            cancellation.cancel()
            step.rendezvous.abort(Status.aborted("Step \(step.id) cancelled.  Cancelling rendezvous.").derived)
        }
        guard let token else {
            // The caller may have cancelled the step and cleaned it up before this call registered it.
            defer { steps.remove(step.id) }
            return end(.failure(Status.cancelled("RunGraph was cancelled before it began").derived), done)
        }
        graph.run(context) { [self] result in
            outer.deregister(token)
            context.resources.clearAll()
            if case .failure(let status) = result { return end(.failure(status), done) }
            fetch { [self] fetched in
                let reply = fetched.map { values in
                    var reply = RunGraphReply(
                        received: values, times: times?.all(in: graph.parts.map(\.graph)) ?? [],
                        partitionGraphs: request.recordsPartitionGraphs ? graph.parts.map(\.graph.definition) : [])
                    if times != nil { reply.call = call() }
                    return reply
                }
                end(reply, done)
            }
        }
    }

    /// The record of this call, which ends now. The caller's times are unknown here.
    private func call() -> StepCall {
        let callee = StepCall.Party(task: session.peers.task.description, clock: HostClock.identity)
        let now = StepClock.now()
        return StepCall(caller: StepCall.Party(task: ""), callee: callee, sent: arrived, arrived: arrived, answered: now, returned: now)
    }

    /// Takes the fetches out of the rendezvous, into host memory.
    private func fetch(_ done: @escaping Completion<[NamedTensor]>) {
        let keys = request.receives
        do throws(Status) {
            let items = try keys.map { key throws(Status) in try fetchedItem(key) }
            guard items.contains(where: { !$0.isOnHost }) else {
                return done(.success(zip(keys, items).map { NamedTensor($0, $1.tensor) }))
            }
            let barrier = CompletionBarrier(keys.count, done)
            for (index, item) in items.enumerated() {
                item.download { result in barrier.finish(index, result.map { NamedTensor(keys[index], $0) }) }
            }
        } catch {
            done(.failure(error))
        }
    }

    private func fetchedItem(_ key: String) throws(Status) -> RendezvousItem {
        guard let item = step.rendezvous.take(RendezvousKey(key)) else {
            throw .internalError("Failed to fetch outputs for step \(step.id). (Original error message: nothing was sent for \(key).)")
        }
        try PartitionRun.checkAlive(item, key, step: step.id)
        return item
    }

    /// - Throws: `internalError` when the fetch is a dead tensor.
    static func checkAlive(_ item: RendezvousItem, _ key: String, step: Int) throws(Status) {
        guard !item.isDead else {
            throw .internalError(
                "Failed to fetch outputs for step \(step). (Original error message: The tensor returned for \(key) was not valid.)")
        }
    }
}
