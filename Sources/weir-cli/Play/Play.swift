import ArgumentParser
import Weir

struct Play: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train an agent to balance a pole on a cart, by reinforcement, and let it play.",
        discussion: """
            The environment is CartPole-v1. Training ends when the agent reaches --goal, or after --steps. Then the best network plays \
            --episodes episodes in environments it has not seen. On a cluster the first worker's client is the learner and each other one \
            has an actor; the parameter servers have the variables. The learning curve and a few moments of an episode are left in --out.
            """)

    @Option(help: "The agent: \(AgentCatalog.names.joined(separator: ", ")).") var agent = "dqn"
    @Option(
        help: ArgumentHelp(
            "local:ps=1,worker=3 starts servers; JSON or @FILE names a cluster that runs. Without it, training is in this process.",
            valueName: "CLUSTER"))
    var cluster: String?
    @Option(parsing: .unconditional, help: "The seed of initial values, environments, actions and batches.") var seed = 1
    @Option(parsing: .unconditional, help: "Steps of the environments, of all actors together; 0 only plays.") var steps = 150_000
    @Option(parsing: .unconditional, help: "The mean return of an evaluation with which training ends.") var goal = 490.0
    @Option(parsing: .unconditional, help: "Steps from one evaluation to the next.") var evaluateEvery = 2_500
    @Option(parsing: .unconditional, help: "Episodes of an evaluation.") var episodes = 100
    @Option(parsing: .unconditional, help: "Environments that an actor steps together.") var environments = 8
    @Option(help: ArgumentHelp("Save the best network: run/agent saves run/agent-20480.", valueName: "PREFIX")) var checkpoint: String?
    @Option(help: ArgumentHelp("Begin with the network of this checkpoint.", valueName: "PATH")) var restore: String?
    @Option(help: "Where the learning curve and the picture of an episode go.") var out = "weir-play"
    @Flag(help: "Print one JSON object a line.") var json = false

    /// The files in --out. Where nothing is learned, the learning curve of an earlier training stays.
    private var files: [String] { (steps > 0 ? [PlayReporter.curve] : []) + [PlayReporter.episode] }

    func validate() throws {
        try require("--steps", steps, in: 0...OptionRange.steps.upperBound)
        try require("--evaluate-every", evaluateEvery, in: OptionRange.steps)
        try require("--episodes", episodes, in: 1...4096)
        try require("--environments", environments, in: 1...4096)
        try require("--goal", goal, in: 0...1e9)
    }

    func run() async throws {
        var options = ReinforcementOptions(try AgentCatalog.agent(named: agent, option: "--agent"))
        options.seed = seed
        options.stepLimit = steps
        options.goal = goal
        options.evaluationInterval = evaluateEvery
        options.evaluationEpisodes = episodes
        options.environmentsPerActor = environments
        options.checkpointPrefix = checkpoint
        options.restoredPath = restore
        // With the addresses of servers that are not started yet.
        try ReinforcementTrainer(options, cluster: plannedCluster()).check()
        try OutputFile.prepare(out, files: files)
        let (spec, local) = try start()
        let reporter = PlayReporter(json: json, agent: agent, stepLimit: steps, directory: out)
        let trainer = ReinforcementTrainer(options, cluster: spec) { reporter.event($0) }
        let (result, isCancelled) = try await untilTerminated { try await trainer.run() }
        local?.end()
        switch result {
        case .success(let report): try reporter.finish(report)
        case .failure(let error):
            reporter.abandon()
            if isCancelled { throw Status.cancelled("Training was cancelled by a signal") }
            throw Status(error)
        }
    }

    private func plannedCluster() throws -> ClusterSpec {
        guard let cluster else { return ClusterSpec() }
        return cluster.hasPrefix("local:") ? try ClusterSpec.onLoopback(String(cluster.dropFirst(6))) : try ClusterSpec(option: cluster)
    }

    /// The cluster; one that was started here must be ended.
    private func start() throws -> (spec: ClusterSpec, local: LocalCluster?) {
        guard let cluster else { return (ClusterSpec(), nil) }
        guard cluster.hasPrefix("local:") else { return (try ClusterSpec(option: cluster), nil) }
        let local = try LocalCluster(String(cluster.dropFirst(6)))
        return (local.spec, local)
    }
}
