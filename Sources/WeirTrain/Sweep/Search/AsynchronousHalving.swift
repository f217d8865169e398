/// Asynchronous successive halving (ASHA; Li et al., 2020, algorithm 2).
///
/// When a server is free, the best trial that may be promoted from the highest rung possible is; if there is none, a new trial starts.
/// A trial may be promoted when it is among the best ⌊n / eta⌋ of the n trials that have ended their training in its rung. Trials
/// that failed count as the worst.
struct AsynchronousHalving: SearchAlgorithm {
    private let steps: [Int]
    private let eta: Int
    private let trialCount: Int
    private var startedCount = 0
    private var runningCount = 0
    /// For each rung, the trials that ended there.
    private var ended: [RankedTrials]

    init(trialCount: Int, rungs: SearchMethod.Rungs) {
        steps = rungs.steps()
        eta = rungs.eta
        self.trialCount = trialCount
        ended = [RankedTrials](repeating: RankedTrials(), count: steps.count)
    }

    var next: SearchDecision {
        for rung in (0..<steps.count - 1).reversed() {
            let best = ended[rung].best(ended[rung].entries.count / eta)
            if let entry = best.first(where: { !$0.isPromoted }) {
                return .start(SearchJob(trial: entry.trial, rung: rung + 1, steps: steps[rung + 1]))
            }
        }
        if startedCount < trialCount { return .start(SearchJob(trial: startedCount, steps: steps[0])) }
        return runningCount > 0 ? .wait : .done
    }

    mutating func start(_ job: SearchJob) {
        runningCount += 1
        if job.rung == 0 { startedCount += 1 } else { ended[job.rung - 1].promote(job.trial) }
    }

    /// A trial that was not promoted may be later, as long as others run: only those that failed or are on top are settled.
    mutating func end(_ job: SearchJob, loss: Double?) -> [Int] {
        runningCount -= 1
        ended[job.rung].add(job.trial, loss: loss)
        return loss == nil || job.rung == steps.count - 1 ? [job.trial] : []
    }
}
