import WeirCluster
import WeirGraph
import WeirOps
import WeirTensor

/// The steps of one client of a training.
struct ClientLoop: Sendable {
    let run: TrainingRun
    let client: TrainingClient
    let session: Session
    private let train: Dataset
    private let feeds: [BatchFeeds]
    /// The losses of the shards, the number of updates after the step and, if the client has it, the number before.
    private let fetches: [String]
    private let target: String

    init(_ run: TrainingRun, _ client: TrainingClient, _ session: Session, _ train: Dataset) throws(Status) {
        self.run = run
        self.client = client
        self.session = session
        self.train = train
        feeds = try client.shards.map { shard throws(Status) in try BatchFeeds(shard.inputs, train.columns) }
        // Held-out rows that do not fit are refused before the training, not after it.
        if let evaluation = client.evaluation { _ = try BatchFeeds(evaluation.inputs, run.test.columns) }
        fetches = client.shards.map(\.loss.name) + [client.updateCount.name] + (client.readCount.map { [$0.name] } ?? [])
        target = client.step.name
    }

    /// Waits until the chief has initialized the variables, then prepares the client.
    /// - Parameter again: whether others may be in their steps, because the worker was lost and has returned.
    /// - Returns: false when the chief has not initialized them within the time that recovery gives it.
    @discardableResult
    func join(again: Bool = false) async throws -> Bool {
        if let awaited = client.lifecycle.awaited, !(try await waitUntilInitialized(awaited.names, awaited.isInitialized)) { return false }
        if let preparation = again ? client.lifecycle.returning : client.lifecycle.preparation { try await session.run(preparation) }
        return true
    }

    private func waitUntilInitialized(_ names: [String], _ isInitialized: Output) async throws(Status) -> Bool {
        // In the first attempt the chief may begin much later.
        let limit = run.attempt.number > 1 || run.progress.hasBegun ? run.options.recovery?.timeout : nil
        let isInitialized = try await ReadinessWait(limit: limit).wait {
            "the chief to initialize \($0.count) variables, first \($0[0])"
        } until: { () async throws(Status) -> [String] in
            zip(names, try await session.run(isInitialized).array(of: Bool.self)).filter { !$1 }.map(\.0)
        } notice: { text, _ in
            run.progress.notice("worker \(client.worker) waits for \(text)")
        }
        if !isInitialized {
            run.progress.notice(
                "worker \(client.worker) has waited \(limit ?? .zero) for the chief to initialize the variables: training has ended, or the chief is gone")
        }
        return isInitialized
    }

    /// Runs the steps. It also ends when the worker is lost.
    /// - Parameter first: the number of updates with which training begins.
    /// - Returns: whether the worker was lost. It may have returned since.
    func runUntilLost(from first: Int) async throws -> Bool {
        let watch = StepWatch()
        let reports = client.master.map { master in
            watch.reporting(every: run.options.stallInterval) { waited in
                run.progress.notice(
                    "the step of worker \(client.worker) after update \(run.progress.step) has not ended for \(Int(waited.seconds)) s: it waits for "
                        + "\(master), a task that this one calls, or the gradients of other workers")
            }
        }
        defer { reports?.cancel() }
        for (other, open) in client.gates?.open ?? [:] {
            run.progress.whenLost(other) { [session] in
                // If it fails, so does this client's step, whose error says more.
                Task { try? await session.run(open) }
            }
        }
        let result: Result<Bool, any Error>
        do {
            result = .success(try await run.untilLost(client.worker) { try await runSteps(from: first, watch) } == nil)
        } catch {
            result = .failure(error)
        }
        if case .success(true) = result { return true }
        await leave()
        return try result.get()
    }

    /// Lets the steps of the other workers begin without this one. The loss of a worker does the same.
    private func leave() async {
        guard let leave = client.gates?.leave.name, !run.progress.isLost(client.worker) else { return }
        // In a task of its own, because this one may be cancelled. If it fails, the servers are gone, and the others fail too.
        let leaving = Task { [session] in try await session.run(targets: [leave], options: RunOptions(timeout: .seconds(2))) }
        _ = await leaving.result
    }

    /// Runs training steps until enough updates are done.
    private func runSteps(from first: Int, _ watch: StepWatch) async throws {
        // Of clients that do not wait for each other, each has made its share of the updates.
        let firstBatch = client.readCount == nil ? first : first / run.plan.clients.count
        let batches = try client.shards.map { shard throws(Status) in try iterator(for: shard, from: firstBatch) }
        defer { for shard in batches { shard.close() } }
        // A result, because an error of a file is none of a server, which may mean that training has ended.
        func nextFeeds() async -> Result<[NamedTensor], Status> {
            do throws(Status) {
                var tensors: [NamedTensor] = []
                for index in feeds.indices {
                    guard let rows = try await batches[index].next() else { throw .internalError("the batches of a training have an end") }
                    tensors += try feeds[index].feeds(rows)
                }
                return .success(tensors)
            } catch {
                return .failure(error)
            }
        }
        let endsItself = client.updates == nil && !endsByClosing
        if endsItself, first >= run.options.stepCount { return }
        var milestone = first
        var next = await nextFeeds()
        var isFirst = true
        var number = 0
        while !Task.isCancelled {
            let current = try next.get()
            do {
                run.progress.beginStep(client.worker)
                watch.begin()
                number += 1
                let traces = run.tracedSteps.contains(number)
                async let step = runStep(current, traces: traces)
                // The next batch is made, or waited for, while the servers work.
                next = await nextFeeds()
                let reply = try await step
                watch.end()
                try record(reply, step: number)
                isFirst = false
                let count = Int(try reply.tensors[client.shards.count].tensor.scalar(of: Int64.self))
                guard endsItself else { continue }
                if count >= run.options.stepCount { return }
                if client.worker == 0 { try await pass(count, after: milestone) }
                milestone = count
            } catch {
                watch.end()
                let status = Status(error)
                // The chief closed the queue that the step waits for: enough updates are done.
                if endsByClosing, status.code == .outOfRange { return }
                // The chief destroyed the training's state. Either training has ended or, before this worker's first step, the
                // state was that of an earlier training.
                if client.worker != 0, [.notFound, .failedPrecondition, .cancelled].contains(status.code), !Task.isCancelled {
                    if isFirst {
                        guard try await join() else { return }
                        continue
                    }
                    // With recovery, the chief may begin a new attempt: the client looks for its state when its worker answers.
                    if run.options.recovery == nil { return }
                    try await run.waitForRootCause(of: status)
                    try loseWorker(status)
                    return
                }
                if client.worker != 0, status.code == .unavailable || status.code == .aborted, client.master != nil {
                    // The step may have failed because another task is lost.
                    try await run.waitForRootCause(of: status)
                    // If training needs all workers, it ends with what the step says of the cause; it need not be this worker.
                    guard run.plan.requiredWorkers < run.plan.clients.count else { throw status }
                    return try loseWorker(status)
                }
                throw status
            }
        }
    }

    /// Handles that a step of the client failed as if its worker were gone. Its outcome is not known, so it is never made again.
    private func loseWorker(_ status: Status) throws {
        guard let master = client.master else { throw status }
        try run.lost(DeviceName(job: master.job, replica: 0, task: master.task), status.message)
    }

    /// The rows of a batch of a part.
    private func rowCount(of shard: BatchShard) -> Int { min(min(run.options.batchSize, train.rowCount) * shard.batches, train.rowCount) }

    /// The batches of a part, without an end. Its rows follow from the seed, its number and the batch's number alone, so that a training
    /// that goes on from a checkpoint takes the batches that it would have taken: the number of updates is the position.
    private func iterator(for shard: BatchShard, from first: Int) throws(Status) -> BatchIterator {
        let seed = run.options.seed &* 7919
        return try train.shuffle(seed: UInt64(bitPattern: Int64(seed &+ shard.number &+ 1)), window: train.order?.window)
            .batch(max(1, rowCount(of: shard)), dropRemainder: true).repeated().makeAsyncIterator(from: DatasetPosition(batch: first))
    }

    private func runStep(_ feeds: [NamedTensor], traces: Bool) async throws -> RunStepReply {
        var options = RunOptions()
        options.traces = traces
        return try await session.run(fetches: fetches, feeds: feeds, targets: [target], options: options)
    }

    /// Whether the chief's loop counts the updates and ends the steps of all.
    private var endsByClosing: Bool { run.plan.clients.contains { $0.updates != nil } }

    private func record(_ reply: RunStepReply, step: Int) throws {
        let shards = client.shards.count
        let count = Int(try reply.tensors[shards].tensor.scalar(of: Int64.self))
        let staleness = try client.readCount.map { _ in max(0, count - 1 - Int(try reply.tensors[shards + 1].tensor.scalar(of: Int64.self))) }
        let owners = run.plan.hasClientForEachWorker ? [client.worker] : Array(0..<shards)
        run.progress.recordRows(client.shards.reduce(0) { $0 + rowCount(of: $1) })
        if let timeline = reply.timeline {
            run.progress.record(timeline, step: step)
            let bytes = timeline.bytesBetweenTasks
            for owner in owners { run.progress.setBytesPerStep(owner, bytes / owners.count) }
        }
        for (index, owner) in owners.enumerated() {
            let losses = run.plan.hasClientForEachWorker ? Array(0..<shards) : [index]
            let loss = try losses.reduce(Float(0)) { sum, shard in sum + Float(try reply.tensors[shard].tensor.double()) } / Float(losses.count)
            run.progress.recordStep(owner, globalStep: min(count, run.options.stepCount), loss: loss, staleness: staleness)
        }
    }

    /// Runs the chief's loop of updates. It evaluates and saves when no update is in flight.
    func runUpdates(from first: Int) async throws {
        guard let updates = client.updates else { return }
        let inFlight = max(1, updates.inFlight)
        try await withThrowingTaskGroup(of: Tensor?.self) { group in
            var (begun, done, milestone) = (first, first, first)
            while done < run.options.stepCount {
                // When the clock says that it is time to save, no update begins until those in flight are done.
                let isDue = run.saveClock.isDue && begun > milestone
                let goal = isDue ? begun : run.milestones.next(after: milestone, before: run.options.stepCount)
                while begun < min(done + inFlight, goal) {
                    begun += 1
                    let (step, traces) = (begun, run.tracedSteps.contains(begun - first))
                    group.addTask { try await runUpdate(updates, step: step, traces: traces) }
                }
                if begun > done {
                    guard let contributions = try await group.next() else { return }
                    // Those in flight are alike, and have no number before they are done.
                    done += 1
                    if let contributions { run.progress.record(try GradientLedger.Entry(step: done, contributions)) }
                }
                guard done == goal, done < run.options.stepCount else { continue }
                try await pass(done, after: milestone)
                milestone = done
            }
        }
        try await session.run(updates.close)
    }

    private func runUpdate(_ updates: UpdateLoop, step: Int, traces: Bool) async throws -> Tensor? {
        let options = RunOptions(traces: traces)
        let reply = try await session.run(fetches: updates.contributions.map { [$0.name] } ?? [], targets: [updates.step.name], options: options)
        if let timeline = reply.timeline { run.progress.record(timeline, step: step) }
        return reply.tensors.first?.tensor
    }

    /// The metrics of the model on these rows.
    func metrics(_ rows: Dataset) async throws -> [String: Double] {
        // A model without metrics has nothing to run.
        guard rows.rowCount > 0, let evaluation = client.evaluation, !evaluation.metrics.isEmpty else { return [:] }
        let names = evaluation.metrics.keys.sorted()
        let values = try await means(of: names.compactMap { evaluation.metrics[$0] }, evaluation.inputs, rows)
        return Dictionary(uniqueKeysWithValues: zip(names, values))
    }

    /// The means over rows of scalars that are means over the rows of a batch. Rows that do not take much memory are one batch.
    func means(of scalars: [Output], _ inputs: [String: Output], _ rows: Dataset) async throws -> [Double] {
        let feeds = try BatchFeeds(inputs, rows.columns)
        let rowByteCount = rows.columns.filter { inputs[$0.name] != nil }.reduce(1) { $0 + min($1.rowByteCount, 1 << 40) }
        var inOrder = rows
        inOrder.order = nil
        let rowCount = min(rows.rowCount, run.options.evaluationBatchSize ?? .max, max(1, run.options.evaluationByteCount / rowByteCount))
        let batches = try inOrder.batch(rowCount).makeAsyncIterator()
        defer { batches.close() }
        var sums = [Double](repeating: 0, count: scalars.count)
        while let batch = try await batches.next() {
            let share = Double(batch.values.first?.dimension(0) ?? 0) / Double(rows.rowCount)
            let reply = try await session.run(fetches: scalars.map(\.name), feeds: feeds.feeds(batch))
            for (index, found) in reply.tensors.enumerated() where sums.indices.contains(index) { sums[index] += try found.tensor.double() * share }
        }
        return sums
    }
}

extension Tensor {
    /// The value of a scalar of a floating type.
    /// - Throws: `invalidArgument` when it is something else.
    func double() throws(Status) -> Double {
        switch dtype {
        case .float32: Double(try scalar(of: Float.self))
        case .float64: try scalar(of: Double.self)
        case .float16: Double(try scalar(of: Float16.self))
        case .bfloat16: Double(try scalar(of: BFloat16.self).float)
        default: throw .invalidArgument("Expected a floating scalar, found \(dtype) of shape \(shape)")
        }
    }
}
