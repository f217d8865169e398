import Synchronization
import WeirTensor

/// Collects what the learner and all actors of one training report.
final class ReinforcementProgress: Sendable {
    private struct State {
        var steps = 0
        var updates = 0
        var loss: Float?
        var episodes: [(step: Int, episodeReturn: Double)] = []
        /// The sum of the last `window` returns.
        var recentSum = 0.0
        var evaluations: [ReinforcementEvaluation] = []
        var lost: Set<Int> = []
        var lossHandlers: [Int: @Sendable () -> Void] = [:]
        var hasEnded = false
    }
    private let state = Mutex(State())
    private let actorCount: Int
    private let start = ContinuousClock.now
    private let onEvent: ReinforcementTrainer.OnEvent
    private static let window = 100

    init(actorCount: Int, onEvent: @escaping ReinforcementTrainer.OnEvent) {
        self.actorCount = actorCount
        self.onEvent = onEvent
    }

    var stepCount: Int { state.withLock { $0.steps } }
    /// Whether the learner has learned enough, so that actors end.
    var hasEnded: Bool { state.withLock { $0.hasEnded } }

    func notice(_ text: String) { onEvent(.notice(text)) }
    func saved(_ path: String, step: Int) { onEvent(.saved(step: step, path: path)) }
    func updated(loss: Float) {
        state.withLock { state in
            state.updates += 1
            state.loss = loss
        }
    }
    func evaluated(_ evaluation: ReinforcementEvaluation) {
        state.withLock { $0.evaluations.append(evaluation) }
        onEvent(.evaluated(evaluation))
    }
    /// Records the returns of episodes that ended.
    func finished(_ returns: [Double]) {
        state.withLock { state in
            for value in returns {
                state.episodes.append((state.steps, value))
                state.recentSum += value
                let old = state.episodes.count - ReinforcementProgress.window - 1
                if old >= 0 { state.recentSum -= state.episodes[old].episodeReturn }
            }
        }
    }
    /// Records that the learner learned from so many steps.
    func learned(_ count: Int) {
        let seconds = (ContinuousClock.now - start).seconds
        let event = state.withLock { state in
            state.steps += count
            let episodes = state.episodes.count
            return ReinforcementStep(
                step: state.steps, episodes: episodes,
                recentReturn: episodes == 0 ? nil : state.recentSum / Double(min(episodes, ReinforcementProgress.window)), updates: state.updates,
                loss: state.loss, stepsPerSecond: Double(state.steps) / max(seconds, 1e-9), actorsAlive: actorCount - state.lost.count)
        }
        onEvent(.learned(event))
    }

    /// Records that an actor is lost.
    /// - Returns: the number of actors left.
    func lost(_ actor: Int, _ name: String, _ reason: String) -> Int {
        let (isNew, left, handler) = state.withLock { state in
            (state.lost.insert(actor).inserted, actorCount - state.lost.count, state.lossHandlers.removeValue(forKey: actor))
        }
        handler?()
        if isNew { notice("actor \(name) is lost: \(reason); \(left) of \(actorCount) actors left") }
        return left
    }
    func isLost(_ actor: Int) -> Bool { state.withLock { $0.lost.contains(actor) } }
    /// Calls `action` when the actor is lost; immediately when it already is.
    func whenLost(_ actor: Int, _ action: @escaping @Sendable () -> Void) {
        let isLost = state.withLock { state -> Bool in
            state.lossHandlers[actor] = action
            return state.lost.contains(actor)
        }
        if isLost { action() }
    }
    /// Records that the learner has learned enough.
    func end() { state.withLock { $0.hasEnded = true } }

    /// Makes the report.
    func report(_ agent: String, final: ReinforcementEvaluation, seconds: Double, observations: [[Float]]) -> ReinforcementReport {
        state.withLock { state in
            ReinforcementReport(
                agent: agent, stepCount: state.steps, updateCount: state.updates, seconds: seconds, episodes: state.episodes,
                evaluations: state.evaluations, final: final, observations: observations, lostActors: state.lost.sorted())
        }
    }
}
