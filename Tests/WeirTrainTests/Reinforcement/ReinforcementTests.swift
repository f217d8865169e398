import Synchronization
import Testing
import WeirCluster
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Reinforcement", .serialized)
struct ReinforcementTests {
    private func options(_ agent: any Agent, steps: Int, episodes: Int = 20) -> ReinforcementOptions {
        var options = ReinforcementOptions(agent)
        options.stepLimit = steps
        options.evaluationEpisodes = episodes
        options.evaluationInterval = max(1, steps / 4)
        return options
    }
    /// An agent that learns little, fast, for tests of what surrounds it.
    private var smallAgent: DeepQNetwork {
        var agent = DeepQNetwork()
        agent.hidden = [8]
        agent.updatesPerStep = 1.0 / 64
        agent.learningStart = 128
        return agent
    }
    private static let agents: [any Agent] = [DeepQNetwork(), Reinforce()]

    @Test("the policy gradient learns in one process, and the same from the same seed")
    func policyGradient() async throws {
        var options = options(Reinforce(), steps: 12_000)
        options.evaluationInterval = 3_000
        let report = try await ReinforcementTrainer(options).run()
        let first = report.episodes.prefix(32).map(\.episodeReturn).reduce(0, +) / 32, last = report.episodes.suffix(32).map(\.episodeReturn).reduce(0, +) / 32
        #expect(first < 60 && last > 2 * first && report.final.mean > 150, "\(first), \(last), \(report.final.mean)")
        #expect(report.final.returns.count == 20 && report.updateCount == report.episodes.count / 8)
        // Each step rewards 1, so the observed episode's return is its number of steps.
        #expect(report.final.returns.contains(Double(report.observations.count)))
        options.stepLimit = 4_000
        let second = try await ReinforcementTrainer(options).run(), third = try await ReinforcementTrainer(options).run()
        #expect(second.episodes.map(\.episodeReturn) == third.episodes.map(\.episodeReturn) && second.final.returns == third.final.returns)
        #expect(Array(report.episodes.map(\.episodeReturn).prefix(second.episodes.count)) == second.episodes.map(\.episodeReturn))
    }

    @Test("deep Q-learning learns in one process, and the same from the same seed")
    func deepQ() async throws {
        var agent = DeepQNetwork()
        agent.hidden = [32, 32]
        agent.epsilonSteps = 2_000
        let found = try await ReinforcementTrainer(options(agent, steps: 6_000)).run()
        let untrained = try #require(found.evaluations.first?.mean)
        #expect(found.final.mean > 60 && found.evaluations.count == 4 && found.updateCount > 2_000, "\(untrained), \(found.final.mean)")
        let short = options(agent, steps: 2_000)
        let second = try await ReinforcementTrainer(short).run(), third = try await ReinforcementTrainer(short).run()
        #expect(second.episodes.map(\.episodeReturn) == third.episodes.map(\.episodeReturn) && second.final.returns == third.final.returns)
    }

    @Test("training ends at the goal, saves the best network, and a later one begins with it", arguments: agents)
    func checkpoint(_ agent: any Agent) async throws {
        let scratch = FileSystemScratch()
        var options = options(agent, steps: 2_000)
        options.goal = 1
        options.checkpointPrefix = "\(scratch.path)/agent"
        let saved = Mutex<[String]>([])
        let report = try await ReinforcementTrainer(options) { event in
            if case .saved(_, let path) = event { saved.withLock { $0.append(path) } }
        }.run()
        #expect(report.evaluations.count == 1 && saved.withLock { $0 } == ["\(scratch.path)/agent-\(report.stepCount)"])
        options.stepLimit = 0
        options.restoredPath = saved.withLock { $0.last }
        options.checkpointPrefix = nil
        #expect(try await ReinforcementTrainer(options).run().final.returns == report.final.returns)
    }

    @Test("actors and learner on different tasks learn through the replay queue", arguments: agents)
    func cluster(_ agent: any Agent) async throws {
        try await TestCluster.with([("ps", 1), ("worker", 3)]) { cluster in
            var options = options(agent is DeepQNetwork ? smallAgent : agent, steps: 800, episodes: 5)
            options.evaluationInterval = 800
            let alive = Mutex<Set<Int>>([])
            let report = try await ReinforcementTrainer(options, cluster: cluster.spec) { event in
                if case .learned(let step) = event { alive.withLock { _ = $0.insert(step.actorsAlive) } }
            }.run()
            #expect(report.stepCount >= 800 && report.updateCount > 0 && report.lostActors.isEmpty && alive.withLock { $0 } == [2])
            #expect(report.final.returns.count == 5)
        }
    }

    /// Trains, stops a server after the first steps, and goes on until training fails or has learned `more` steps since the loss.
    private func trainLosing(_ job: String, _ task: Int, of workers: Int, more: Int) async throws -> (error: Status, notices: [String], alive: Int?) {
        try await TestCluster.with([("ps", 1), ("worker", workers)]) { cluster in
            struct State {
                var leaving: Task<Void, Never>?
                var training: Task<ReinforcementReport, any Error>?
                var notices: [String] = []
                var lostAt: Int?
                var alive: Int?
            }
            let state = Mutex(State())
            let trainer = ReinforcementTrainer(options(smallAgent, steps: 100_000_000), cluster: cluster.spec) { event in
                state.withLock { state in
                    switch event {
                    case .notice(let text):
                        state.notices.append(text)
                        state.lostAt = -1
                    case .learned(let step):
                        state.alive = step.actorsAlive
                        if state.leaving == nil { state.leaving = Task { await (try? cluster.server(job, task))?.stop() } }
                        if state.lostAt == -1 { state.lostAt = step.step }
                        if let lostAt = state.lostAt, step.step >= lostAt + more { state.training?.cancel() }
                    default: break
                    }
                }
            }
            let training = Task { try await trainer.run() }
            state.withLock { $0.training = training }
            let error = await #expect(throws: Status.self) { try await training.value }
            await state.withLock { $0.leaving }?.value
            return (try #require(error), state.withLock { $0.notices }, state.withLock { $0.alive })
        }
    }

    @Test("when an actor is lost the others go on", .timeLimit(.minutes(1)))
    func lostActor() async throws {
        let (error, notices, alive) = try await trainLosing("worker", 2, of: 3, more: 1_000)
        #expect(error.code == .cancelled && alive == 1)
        #expect(notices.count == 1 && notices[0].contains("actor /job:worker/replica:0/task:2 is lost"), "\(notices)")
    }

    @Test(
        "when a task that training needs is lost, the error names it", .timeLimit(.minutes(1)),
        arguments: [
            ("ps", 0, "Parameter server /job:ps/replica:0/task:0 is gone"), ("worker", 0, "The learner's task /job:worker/replica:0/task:0 is gone"),
            ("worker", 1, "No actor is left: /job:worker/replica:0/task:1 is gone"),
        ])
    func lostNeeded(_ job: String, _ task: Int, _ text: String) async throws {
        let (error, _, _) = try await trainLosing(job, task, of: 2, more: .max / 2)
        #expect(error.code == .unavailable && error.message.hasPrefix(text), "\(error.message)")
    }

    @Test("a cluster without parameter servers, or without an actor, is refused before anything starts")
    func clusters() throws {
        for jobs in [["worker": ["127.0.0.1:1", "127.0.0.1:2"]], ["ps": ["127.0.0.1:1"], "worker": ["127.0.0.1:2"]]] {
            let error = #expect(throws: Status.self) { try ReinforcementTrainer(options(Reinforce(), steps: 1), cluster: ClusterSpec(jobs)).check() }
            #expect(error?.code == .invalidArgument && error?.message.contains("such as ps=1,worker=2; found ") == true)
        }
    }
}
