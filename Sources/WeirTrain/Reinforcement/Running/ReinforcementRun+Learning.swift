import WeirCluster
import WeirTensor

/// The network of the best evaluation so far.
struct BestNetwork: Sendable {
    var values: [Tensor]
    /// The steps that it had learned from.
    var step: Int
    var mean: Double
}

// The learner's loop.
extension ReinforcementRun {
    /// Acts and learns in turn, in this process.
    func learnAlone(_ session: AgentSession) async throws -> BestNetwork {
        var environments = batch(options.environmentsPerActor)
        return try await learn(session) {
            let experience = try await options.agent.collect(&environments, session.policy, stepCount: progress.stepCount)
            progress.finished(environments.takeReturns())
            try await session.send(experience)
            return try await session.receive()
        }
    }

    /// Learns from what comes until the goal or the limit is reached.
    /// - Returns: the best network.
    func learn(_ session: AgentSession, _ next: () async throws -> [Tensor]) async throws -> BestNetwork {
        var learner = options.agent.makeLearner(seed: options.seed)
        let steps = LearnerSteps(session, progress)
        var best: BestNetwork?
        var evaluated = 0
        while progress.stepCount < options.stepLimit {
            try Task.checkCancellation()
            let experience = try await next()
            try await learner.learn(experience, steps)
            progress.learned(experience.first?.shape[0] ?? 0)
            let step = progress.stepCount
            guard step >= options.stepLimit || step - evaluated >= options.evaluationInterval else { continue }
            evaluated = step
            let mean = try await evaluate(session, step: step)
            if mean > best?.mean ?? -.infinity {
                best = BestNetwork(values: try await session.values(), step: step, mean: mean)
                if let prefix = options.checkpointPrefix {
                    progress.saved(try await session.graph.saver.save(session.session, to: prefix, globalStep: step), step: step)
                }
            }
            if let goal = options.goal, mean >= goal { break }
        }
        if let best { return best }
        return BestNetwork(values: try await session.values(), step: 0, mean: .nan)
    }

    private func evaluate(_ session: AgentSession, step: Int) async throws(Status) -> Double {
        // Each evaluation has the same environments, so that their means differ by the network alone.
        var environments = batch(options.evaluationEpisodes, number: -2)
        let evaluation = ReinforcementEvaluation(step: step, returns: try await session.policy.play(&environments))
        progress.evaluated(evaluation)
        return evaluation.mean
    }
}
