import WeirCluster
import WeirGraph
import WeirTensor

/// One run of a training by reinforcement: the learner's loop, and what it begins and ends with.
struct ReinforcementRun: Sendable {
    let options: ReinforcementOptions
    let cluster: ClusterSpec
    let progress: ReinforcementProgress
    /// Watches the tasks of the cluster.
    private let monitor: TaskMonitor
    /// The name of the replay queue, which no other training's has.
    private let queueName = "replay_queue/run_\(TrainingSetting.newRunNumber())"

    init(_ options: ReinforcementOptions, _ cluster: ClusterSpec, _ onEvent: @escaping ReinforcementTrainer.OnEvent) {
        self.options = options
        self.cluster = cluster
        monitor = TaskMonitor(cluster)
        progress = ReinforcementProgress(actorCount: max(1, cluster.taskIndices(job: "worker").count - 1), onEvent: onEvent)
    }

    func run() async throws -> ReinforcementReport {
        guard !cluster.tasks.isEmpty else {
            let session = try await open(task: nil)
            return try await train(session) { try await learnAlone(session) }
        }
        return try await withThrowingTaskGroup(of: ReinforcementReport?.self) { group in
            group.addTask {
                // Returns only by throwing, when a task is lost that training needs, or the Swift task is cancelled.
                try await monitor.watch { name, sight in if case .lost(let reason) = sight { try lost(name, reason) } }
                return nil
            }
            group.addTask { try await trainOnCluster() }
            defer { group.cancelAll() }
            while let report = try await group.next() {
                if let report { return report }
            }
            throw Status.internalError("training ended without a report")
        }
    }

    private func trainOnCluster() async throws -> ReinforcementReport {
        let workers = cluster.taskIndices(job: "worker")
        do {
            let learner = try await open(task: workers[0])
            return try await train(learner) { try await learnOnCluster(learner, actors: Array(workers.dropFirst())) }
        } catch {
            throw await cause(of: Status(error))
        }
    }

    /// Initializes, learns, and evaluates the best network.
    private func train(_ session: AgentSession, _ learn: () async throws -> BestNetwork) async throws -> ReinforcementReport {
        do {
            try await session.initialize(from: options.restoredPath)
            let start = ContinuousClock.now
            let best = try await learn()
            let seconds = (ContinuousClock.now - start).seconds
            try await session.assign(best.values)
            // Environments of other seeds than those in which the best network was chosen.
            var environments = batch(options.evaluationEpisodes, number: -1)
            var observations: [[Float]] = []
            let returns = try await session.policy.play(&environments) { observations.append($0) }
            await leave(session)
            return progress.report(
                options.agent.name, final: ReinforcementEvaluation(step: best.step, returns: returns), seconds: seconds, observations: observations)
        } catch {
            await leave(session)
            throw error
        }
    }

    /// Drops what the servers keep for the training, if they still answer.
    private func leave(_ session: AgentSession) async {
        // In a task of its own, because this one may be cancelled.
        let leaving = Task {
            let options = RunOptions(timeout: .seconds(2))
            _ = try await session.session.run(targets: [session.graph.close.name], options: options)
            _ = try await session.session.run(targets: [session.graph.forget.name], options: options)
        }
        _ = await leaving.result
        // Not awaited: a lost server may not answer for long.
        Task { try? await session.session.close() }
    }

    /// Opens the session of a worker's client; of this process without a task.
    func open(task: Int?) async throws(Status) -> AgentSession {
        let space = batch(1)
        guard let task else {
            let graph = AgentGraph(options, space, at: nil, queueName: queueName)
            return AgentSession(graph, try await Session(graph.builder.graph(), registry: .standard), actionCount: space.actionCount)
        }
        let learner = cluster.taskIndices(job: "worker").first ?? 0
        let place = AgentGraph.Place(
            parameterServers: cluster.taskIndices(job: "ps").count, queue: "/job:worker/task:\(learner)/cpu:0", computing: "/job:worker/task:\(task)/cpu:0")
        let graph = AgentGraph(options, space, at: place, queueName: queueName)
        guard let address = cluster.address(job: "worker", task: task) else { throw .internalError("The cluster has no worker \(task)") }
        var configuration = SessionConfiguration()
        // An actor needs no other actor, nor does the learner need any.
        configuration.deviceFilters = ["/job:ps"] + Set([learner, task]).sorted().map { "/job:worker/task:\($0)" }
        let waiting = Task.repeating(every: .seconds(2)) { [progress] in
            progress.notice("waiting for a session on \(address): it does not answer, or a task that it needs does not answer it")
        }
        defer { waiting.cancel() }
        let session = try await Session(graph.builder.graph(), target: .address("grpc://\(address)"), configuration: configuration, registry: .standard)
        // The master has asked these tasks: one that ends before it has answered a poll is lost, too.
        for used in cluster.tasks where used.job == "ps" || [learner, task].contains(used.task) { monitor.recordAnswer(of: used.address) }
        return AgentSession(graph, session, actionCount: space.actionCount)
    }

    /// Environments with seeds that follow from the training's and a number.
    func batch(_ count: Int, number: Int = 0) -> EnvironmentBatch {
        EnvironmentBatch(count, seed: options.seed, number: number, options.environment)
    }
}
