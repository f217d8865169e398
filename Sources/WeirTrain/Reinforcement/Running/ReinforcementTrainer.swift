public import WeirCluster
public import WeirTensor

/// Trains an agent, in this process or with actors and a learner on different tasks of a cluster.
///
/// ```swift
/// var options = ReinforcementOptions(DeepQNetwork())
/// options.goal = 490
/// let report = try await ReinforcementTrainer(options).run()
/// print(report.final.mean)
/// ```
/// On a cluster the variables are on the tasks of job `ps`. The learner is the client of the first task of job `worker`, and each other one has
/// an actor. Actors read the variables as they are, act, and add what they saw to a queue of fixed capacity on the learner's task, the
/// replay queue. The learner takes it, updates the variables, and at the end closes the queue, which ends the actors. When an actor is lost
/// the others go on. In one process acting and learning take turns, with the same graph and the same queue.
public struct ReinforcementTrainer: Sendable {
    /// Receives the events of training. It may be called from several threads at once.
    public typealias OnEvent = @Sendable (ReinforcementEvent) -> Void
    private let options: ReinforcementOptions
    private let cluster: ClusterSpec
    private let onEvent: OnEvent

    /// - Parameter cluster: a job `ps` with one task or more and a job `worker` with two or more; without tasks, training is in this process.
    public init(_ options: ReinforcementOptions, cluster: ClusterSpec = ClusterSpec(), onEvent: @escaping OnEvent = { _ in }) {
        self.options = options
        self.cluster = cluster
        self.onEvent = onEvent
    }

    /// Trains until the goal or the limit is reached, then evaluates the best network.
    /// - Throws: `invalidArgument` when the options or the cluster are wrong; `unavailable`, with its name, when a parameter server or the
    ///   learner's task is lost, or no actor is left; `cancelled` when the Swift task is cancelled.
    public func run() async throws -> ReinforcementReport {
        try check()
        let run = ReinforcementRun(options, cluster, onEvent)
        do {
            return try await run.run()
        } catch is CancellationError {
            throw Status.cancelled("Training was cancelled")
        }
    }

    /// Checks the options and the cluster. Nothing starts.
    /// - Throws: `invalidArgument` when they are wrong.
    public func check() throws(Status) {
        try options.check()
        guard !cluster.tasks.isEmpty else { return }
        let found = cluster.jobs.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value.count)" }.joined(separator: ",")
        guard !cluster.taskIndices(job: "ps").isEmpty, cluster.taskIndices(job: "worker").count > 1 else {
            throw .invalidArgument(
                "Reinforcement needs a job 'ps' with at least one task, for the variables, and a job 'worker' with at least two, for the learner and "
                    + "an actor, such as ps=1,worker=2; found \(found)")
        }
    }
}
