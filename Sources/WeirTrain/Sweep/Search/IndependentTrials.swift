/// Grid and random search: each trial is trained once, whatever becomes of the others. The specification has their configurations.
struct IndependentTrials: SearchAlgorithm {
    /// The steps of each trial.
    private let steps: [Int]
    private var startedCount = 0
    private var runningCount = 0

    init(steps: [Int]) { self.steps = steps }

    var next: SearchDecision {
        if startedCount < steps.count { return .start(SearchJob(trial: startedCount, steps: steps[startedCount])) }
        return runningCount > 0 ? .wait : .done
    }

    mutating func start(_ job: SearchJob) {
        startedCount += 1
        runningCount += 1
    }

    mutating func end(_ job: SearchJob, loss: Double?) -> [Int] {
        runningCount -= 1
        return [job.trial]
    }
}
