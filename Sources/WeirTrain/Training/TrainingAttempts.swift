import WeirCluster
import WeirTensor

/// Makes attempts at a training until one reaches the end. Without recovery there is one.
struct TrainingAttempts: Sendable {
    let options: TrainingOptions
    let rows: (train: Dataset, test: Dataset)
    let onEvent: Trainer.OnEvent
    /// Makes the plan of an attempt, its setting, and the clients to run. What an attempt leaves on the servers must not disturb the next.
    let plan: @Sendable () throws(Status) -> (TrainingPlan, TrainingSetting, [TrainingClient])

    /// - Throws: the root cause when training cannot go on; `unavailable` when a task that it needs does not return in time.
    func run() async throws -> TrainingReport {
        var attempt = TrainingAttempt()
        var progress: TrainingProgress?
        var losses = LossCounter()
        while true {
            let (plan, setting, clients) = try plan()
            // Of several processes, the chief's saves.
            if attempt.number == 1, clients.contains(where: { $0.worker == 0 }) { try options.checkpoint?.prepareFolder() }
            let run = TrainingRun(
                plan, options, setting, train: rows.train, test: rows.test, attempt: attempt, progress: progress, onEvent: onEvent)
            progress = run.progress
            do {
                let report = try await run.run(clients)
                // Without waiting: a worker that is lost does not answer.
                Task { await run.sessions.close(within: .seconds(10)) }
                return report
            } catch {
                if let late = error as? WaitIsOver {
                    Task { await run.sessions.close(within: .seconds(10)) }
                    throw late.status
                }
                let failure = Status(error)
                guard let recovery = options.recovery, !Task.isCancelled, TrainingRun.usesTasks(clients, setting), await isLoss(failure, run) else {
                    Task { await run.sessions.close(within: .seconds(10)) }
                    throw error
                }
                try losses.count(failure, run.progress.furthestStep, limit: recovery.attemptLimit)
                let wait = TaskWait(plan, setting, clients, timeout: recovery.timeout) { onEvent(.notice($0)) }
                onEvent(.notice("attempt \(attempt.number) has ended after update \(run.progress.step): \(failure.message)"))
                let found = try await wait.tasks(lostBy: failure)
                // What a step of the attempt before still does must be over before variables are restored.
                await run.sessions.close(within: .seconds(10))
                attempt = next(attempt, after: run, found, setting)
                run.progress.beginAttempt(absentWorkers: attempt.absentWorkers)
            }
        }
    }

    /// Whether an attempt failed because a task was lost: the error says so, or a task does not answer or was restarted.
    private func isLoss(_ failure: Status, _ run: TrainingRun) async -> Bool {
        if failure.mayBeLoss { return true }
        for (address, incarnation) in run.monitor.incarnations {
            guard let found = try? await TaskMonitor.incarnation(of: address), found == incarnation else { return true }
        }
        return false
    }

    private func next(_ last: TrainingAttempt, after run: TrainingRun, _ found: TaskWait.Found, _ setting: TrainingSetting) -> TrainingAttempt {
        var attempt = TrainingAttempt(number: last.number + 1)
        attempt.incarnations = found.incarnations
        attempt.absentWorkers = found.absentWorkers
        let servers = setting.cluster.tasks.filter { $0.job == "ps" }.map(\.address)
        let before = run.monitor.incarnations
        let serversStayed = !servers.isEmpty && servers.allSatisfy { before[$0] != nil && before[$0] == found.incarnations[$0] }
        if run.plan.goesOnWithoutCheckpoint, serversStayed, run.progress.hasBegun {
            attempt.start = .current
        } else if run.progress.hasSaved {
            attempt.start = .ownCheckpoint
        } else {
            attempt.start = .first(run.progress.firstCheckpoint)
        }
        return attempt
    }
}

/// Counts attempts in a row that were lost without getting further than those before.
private struct LossCounter {
    private var furthest = 0
    private var count = 0

    /// - Throws: the failure when there are too many.
    mutating func count(_ failure: Status, _ step: Int, limit: Int) throws(Status) {
        count = step > furthest ? 0 : count + 1
        furthest = max(furthest, step)
        guard count >= limit else { return }
        throw Status(failure.code, "\(failure.message)\nThis was attempt \(count) in a row that got no further than update \(furthest)")
    }
}
