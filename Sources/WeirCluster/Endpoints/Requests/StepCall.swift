import WeirTensor

/// The master's RunGraph call of one task in a traced step, as both saw it. Each time is of the clock of the one that saw it, so
/// the four times bound how much the two clocks differ, as in the Network Time Protocol (RFC 5905, section 8).
public struct StepCall: Sendable, Hashable {
    /// A task and its clock.
    public struct Party: Sendable, Hashable {
        /// The task, such as `/job:worker/replica:0/task:0`.
        public var task: String
        /// Identifies the clock: tasks with the same text read the same clock, because they run on the same boot of one machine.
        /// Empty when unknown.
        public var clock: String
        /// Makes a party.
        public init(task: String, clock: String = "") {
            self.task = task
            self.clock = clock
        }
    }
    /// The master's task. Its name is empty until the master has the reply.
    public var caller: Party
    /// The task that ran its partition.
    public var callee: Party
    /// When the caller sent the call, in nanoseconds since 1970 of its clock.
    public var sent: Int
    /// When the call had arrived, in nanoseconds since 1970 of the callee's clock.
    public var arrived: Int
    /// When the callee had run its partition, by its clock.
    public var answered: Int
    /// When the caller had the reply, by its clock.
    public var returned: Int

    /// Makes the record of a call.
    public init(caller: Party, callee: Party, sent: Int, arrived: Int, answered: Int, returned: Int) {
        self.caller = caller
        self.callee = callee
        self.sent = sent
        self.arrived = arrived
        self.answered = answered
        self.returned = returned
    }
}

extension RunGraphReply {
    /// Adds what the caller saw to the record of the call. A worker of TensorFlow does not say when it got the call: its first
    /// kernel started after that, and its last one ended before its answer. Without kernels there is nothing to record.
    /// - Parameter task: the task that was called.
    mutating func completeCall(of task: DeviceName, by caller: StepCall.Party, sent: Int, returned: Int) {
        if call == nil, let first = times.map(\.start).min(), let last = times.map(\.end).max() {
            call = StepCall(caller: caller, callee: StepCall.Party(task: task.description), sent: sent, arrived: first, answered: last, returned: returned)
        }
        // A task is what the caller takes it for, not what it says.
        call?.callee.task = task.description
        call?.caller = caller
        call?.sent = sent
        call?.returned = returned
    }
}
