import WeirCluster
import WeirGraph
import WeirTensor

// Actors on tasks of their own, and what happens when a task is lost.
extension ReinforcementRun {
    /// Learns from what the actors send, and ends them by closing the queue.
    func learnOnCluster(_ learner: AgentSession, actors: [Int]) async throws -> BestNetwork {
        try await withThrowingTaskGroup(of: BestNetwork?.self) { group in
            for (number, task) in actors.enumerated() {
                group.addTask {
                    try await runActor(number, task: task, of: learner)
                    return nil
                }
            }
            group.addTask {
                for _ in 0..<(options.agent.elementsInFlight ?? 0) { try await learner.giveCredit() }
                var isFirst = true
                let best = try await learn(learner) {
                    // For what was learned from before.
                    if !isFirst { try await learner.giveCredit() }
                    isFirst = false
                    return try await learner.receive()
                }
                progress.end()
                try await learner.close()
                return best
            }
            defer { group.cancelAll() }
            var best: BestNetwork?
            while let result = try await group.next() {
                guard let result else { continue }
                best = result
                // Actors that wait for their task to answer have nothing to close.
                group.cancelAll()
            }
            guard let best else { throw Status.internalError("the learner ended without a network") }
            return best
        }
    }

    /// Acts until the queues are closed, or the actor's task is lost.
    private func runActor(_ number: Int, task: Int, of learner: AgentSession) async throws {
        // A call to a lost server may block for long.
        let work = Task { try await act(number, task: task) }
        progress.whenLost(number) {
            work.cancel()
            // It may have had one. If this fails, so does the learner's step, whose error says more.
            Task { try? await learner.giveCredit() }
        }
        do {
            try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
        } catch  where progress.hasEnded || progress.isLost(number) {
        } catch {
            try Task.checkCancellation()
            let status = await cause(of: Status(error))
            // A task that training needs is named; otherwise it is this actor's.
            if status != Status(error) { throw status }
            try lost(DeviceName(job: "worker", replica: 0, task: task), status.message)
        }
    }

    private func act(_ number: Int, task: Int) async throws {
        let session = try await open(task: task)
        defer { Task { try? await session.session.close() } }
        var environments = batch(options.environmentsPerActor, number: number + 1)
        while !progress.hasEnded {
            try Task.checkCancellation()
            try await session.takeCredit()
            let experience = try await options.agent.collect(&environments, session.policy, stepCount: progress.stepCount)
            progress.finished(environments.takeReturns())
            try await session.send(experience)
        }
    }

    /// Handles the loss of a task.
    /// - Throws: `unavailable` when training cannot go on without it.
    func lost(_ task: DeviceName, _ reason: String) throws(Status) {
        let workers = cluster.taskIndices(job: "worker")
        guard task.job == "worker", let place = workers.firstIndex(of: task.task ?? -1), place > 0 else {
            throw .unavailable("\(task.job == "ps" ? "Parameter server" : "The learner's task") \(task) is gone: \(reason)")
        }
        guard progress.lost(place - 1, "\(task)", reason) > 0 else { throw .unavailable("No actor is left: \(task) is gone: \(reason)") }
    }

    /// The error that names the first task that training needs and that does not answer; the error itself if all answer.
    func cause(of error: Status) async -> Status {
        guard [.unavailable, .aborted, .deadlineExceeded, .cancelled].contains(error.code), !Task.isCancelled else { return error }
        let workers = cluster.taskIndices(job: "worker")
        for task in cluster.tasks where task.job == "ps" || task.task == workers.first {
            do throws(Status) {
                _ = try await ServerProbe.devices(address: task.address, timeout: .seconds(1))
            } catch {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                do throws(Status) { try lost(name, error.message) } catch { return error }
            }
        }
        return error
    }
}
