/// Chooses which trial to train next, and until which step.
///
/// An algorithm is a value: the same starts and ends, in the same order, lead to the same choices. Trials are numbered from 0 in the
/// order in which they are first chosen.
protocol SearchAlgorithm: Sendable {
    /// The next choice. It stays the same until the next `start` or `end`.
    var next: SearchDecision { get }
    /// Records that the job that `next` told is started.
    mutating func start(_ job: SearchJob)
    /// Records how a started job ended.
    /// - Parameter loss: the objective, lower is better; nil when the trial failed.
    /// - Returns: the trials that will not be chosen again, and were not returned before.
    mutating func end(_ job: SearchJob, loss: Double?) -> [Int]
}

/// A part of a trial's training.
struct SearchJob: Hashable, Sendable {
    /// The number of the trial.
    var trial: Int
    /// How often the trial was promoted before.
    var rung = 0
    /// The step until which the trial is trained.
    var steps: Int
}

/// What a search does next.
enum SearchDecision: Hashable, Sendable {
    case start(SearchJob)
    /// Nothing until a job ends.
    case wait
    /// Nothing any more.
    case done
}
