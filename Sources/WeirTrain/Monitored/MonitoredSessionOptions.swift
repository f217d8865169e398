public import WeirCluster
import WeirGraph
public import WeirRuntime
import WeirTensor

/// What a `MonitoredSession` does: the arguments of TensorFlow's `MonitoredTrainingSession`.
public struct MonitoredSessionOptions: Sendable {
    /// Where steps run.
    public var target: Session.Target
    /// Whether this client initializes or restores the variables; one client does. The others wait for it.
    public var isChief: Bool
    /// The options of the sessions. A client that does not need all tasks names in `deviceFilters` those that it needs.
    public var configuration = SessionConfiguration()
    /// The devices of a session in this process; nil makes new ones.
    public var devices: LocalDevices?
    /// How variables get their first values, and what saves them.
    public var scaffold = Scaffold()
    /// The hooks, in the order of their calls. Those that the options below add come before them.
    public var hooks: [any SessionRunHook] = []
    /// Hooks of the chief, before all others.
    public var chiefOnlyHooks: [any SessionRunHook] = []

    /// The folder of the checkpoints. The chief restores the latest one that can be read, at the beginning and after servers were lost;
    /// nil, or a folder without any, means initial values.
    public var checkpointDirectory: String?
    /// How often the chief saves to that folder, besides the beginning and the end; nil does not save.
    public var saveCheckpoints: HookInterval? = .seconds(600)
    /// The folder of the chief's event file; nil means `checkpointDirectory`.
    public var summaryDirectory: String?
    /// How often the chief writes the graph's summaries; nil writes none.
    public var saveSummaries: HookInterval? = .steps(100)
    /// How often the chief writes the steps per second; nil does not.
    public var logStepCount: HookInterval? = .steps(100)

    /// How long a session may take to be ready: until the servers answer and, for a worker, the chief has initialized the variables. It
    /// holds at the beginning and, anew, when servers are lost: it is how long they may be away.
    public var maximumWait = Duration.seconds(7200)
    /// Is told what the client waits for, at most once a second, and of recoveries. It may be called from any thread.
    public var onNotice: @Sendable (String) -> Void = { _ in }

    /// Makes options. The others have default values, and can be set later.
    public init(target: Session.Target = .inProcess, isChief: Bool = true, checkpointDirectory: String? = nil, hooks: [any SessionRunHook] = []) {
        self.target = target
        self.isChief = isChief
        self.checkpointDirectory = checkpointDirectory
        self.hooks = hooks
    }

    /// - Throws: `invalidArgument` when a value is out of its range.
    func check() throws(Status) {
        for (name, interval) in [("saveCheckpoints", saveCheckpoints), ("saveSummaries", saveSummaries), ("logStepCount", logStepCount)] {
            try interval?.check(name)
        }
        if maximumWait <= .zero { throw .invalidArgument("maximumWait: expected more than 0 seconds, found \(maximumWait)") }
        for (name, directory) in [("checkpointDirectory", checkpointDirectory), ("summaryDirectory", summaryDirectory)] where directory == "" {
            throw .invalidArgument("\(name): expected the path of a folder or nil, found an empty text")
        }
    }

    /// All hooks of this client, in the order of their calls.
    /// - Parameter writer: the chief's event file; nil if it has none.
    func allHooks(_ writer: SummaryWriter?, clock: MonitorClock) -> [any SessionRunHook] {
        guard isChief else { return hooks }
        var all = chiefOnlyHooks
        if let writer {
            if let logStepCount { all.append(StepCounterHook(every: logStepCount, writer: writer, clock: clock)) }
            if let saveSummaries { all.append(SummarySaverHook(every: saveSummaries, writer: writer, scaffold.summaryOp.map { [$0] }, clock: clock)) }
        }
        if let checkpointDirectory, let saveCheckpoints {
            all.append(CheckpointSaverHook(checkpointDirectory, every: saveCheckpoints, saver: scaffold.saver, writer: writer, clock: clock))
        }
        return all + hooks
    }

    /// The folder of the event file that this client writes; nil if it writes none.
    var eventDirectory: String? {
        guard isChief, logStepCount != nil || saveSummaries != nil || (checkpointDirectory != nil && saveCheckpoints != nil) else { return nil }
        return summaryDirectory ?? checkpointDirectory
    }
}
