/// Successive halving (Jamieson and Talwalkar, 2016), with the numbers of Hyperband's brackets (Li et al., 2018): of n trials, rung k
/// trains the best ⌊n / eta^k⌋ until step minimum · eta^k. A rung starts when all trials of the one before have ended.
struct SuccessiveHalving: SearchAlgorithm {
    private let steps: [Int]
    private let eta: Int
    private let trialCount: Int
    private var rung = 0
    /// The trials of the rung, in the order in which they start.
    private var members: [Int]
    private var startedCount = 0
    /// The trials of the rung that have ended.
    private var ended = RankedTrials()

    init(trialCount: Int, rungs: SearchMethod.Rungs) {
        // As many rungs as leave at least one trial.
        var (count, left) = (1, trialCount / rungs.eta)
        while left > 0 { (count, left) = (count + 1, left / rungs.eta) }
        steps = rungs.steps(atMost: count)
        eta = rungs.eta
        self.trialCount = trialCount
        members = Array(0..<trialCount)
    }

    var next: SearchDecision {
        if startedCount < members.count { return .start(SearchJob(trial: members[startedCount], rung: rung, steps: steps[rung])) }
        return ended.entries.count < members.count ? .wait : .done
    }

    mutating func start(_ job: SearchJob) { startedCount += 1 }

    mutating func end(_ job: SearchJob, loss: Double?) -> [Int] {
        ended.add(job.trial, loss: loss)
        guard ended.entries.count == members.count else { return loss == nil ? [job.trial] : [] }
        // Those that failed before were returned then.
        let candidates = ended.entries.filter { $0.trial == job.trial || $0.loss < .infinity }.map(\.trial).sorted()
        guard rung + 1 < steps.count else { return candidates }
        let places = (0...rung).reduce(trialCount) { count, _ in count / eta }
        let survivors = ended.best(places).map(\.trial)
        guard !survivors.isEmpty else { return candidates }
        rung += 1
        members = survivors
        startedCount = 0
        ended = RankedTrials()
        let kept = Set(survivors)
        return candidates.filter { !kept.contains($0) }
    }
}
