import WeirTensor

/// How a training goes on when a task of its cluster is lost and returns.
///
/// A worker that training can do without is left out, and taken back when it answers again: its client goes on from the current values.
/// When a task is lost that training needs, all steps end. Training waits until the task answers, then begins a new attempt from the
/// latest checkpoint that it has saved; without one, from where it began. The updates after that are made again, from the same batches.
///
/// No step is ever made again whose outcome is not known, unless all variables have been restored since: so no update is applied twice.
public struct TrainingRecovery: Hashable, Sendable {
    /// How long to wait for lost tasks to answer again; greater than 0. Then training ends with an error that names them.
    public var timeout: Duration
    /// How many attempts in a row may be lost without getting further than any before; at least 1. Then training ends with the error
    /// of the last one. It ends trainings that lose a task whenever they reach a certain update.
    public var attemptLimit: Int

    /// Describes how a training goes on.
    public init(timeout: Duration = .seconds(60), attemptLimit: Int = 10) {
        self.timeout = timeout
        self.attemptLimit = attemptLimit
    }

    func check() throws(Status) {
        guard timeout > .zero else { throw .invalidArgument("The time to wait for lost tasks must be greater than 0, found \(timeout)") }
        guard attemptLimit > 0 else { throw .invalidArgument("Attempts that get no further must be at least 1, found \(attemptLimit)") }
    }
}

/// What the clients of one attempt begin with.
struct TrainingAttempt: Sendable {
    /// Where the values of the variables come from.
    enum Start: Sendable {
        /// From where the options say.
        case asAsked
        /// From the latest checkpoint that can be read of those that this training has saved.
        case ownCheckpoint
        /// From this checkpoint, with which the training began; nil for the initial values.
        case first(String?)
        /// From the values that the servers have.
        case current
    }
    /// From 1.
    var number = 1
    var start = Start.asAsked
    /// The numbers of the workers that do not answer as the attempt begins. Their clients begin when they do.
    var absentWorkers: Set<Int> = []
    /// What the tasks' devices had as incarnation when they answered last, by address: a task with another one has restarted.
    var incarnations: [String: UInt64] = [:]

    /// Whether the variables keep the values that the servers have.
    var keepsValues: Bool { if case .current = start { true } else { false } }
}

extension Status {
    /// Whether this may be the status of a call whose task is lost. Such a call's outcome is not known.
    var mayBeLoss: Bool { [.unavailable, .aborted, .cancelled, .deadlineExceeded].contains(code) }
}
