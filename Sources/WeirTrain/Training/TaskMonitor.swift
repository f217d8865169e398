import Synchronization
import WeirCluster
import WeirGraph
import WeirTensor

/// Monitors the tasks of a cluster. It reports within two seconds that a task does not answer or was restarted, and that it answers.
final class TaskMonitor: Sendable {
    /// How long the monitor may take to notice that a task is lost. Who sees something fail waits so long before it blames anyone: the
    /// failure of one task makes steps on others fail, and may reach a client first from them.
    static let noticeTime = Duration.seconds(2)

    /// What was seen of a task.
    enum Sight: Sendable {
        /// It does not answer, or was restarted since it answered last. Reported once, until it answers again.
        case lost(String)
        /// It answers. Reported each time that it is asked.
        case answers
    }
    /// What is known of a task that has answered.
    private struct Answered {
        /// The incarnation in which it answered last; nil if it has answered, but no poll.
        var last: UInt64?
        /// That in which it is used.
        var used: UInt64?
    }
    private let cluster: ClusterSpec
    /// The tasks that have answered, by address. One that has not may still be starting, and is not lost.
    private let answered: Mutex<[String: Answered]>

    /// - Parameter incarnations: those of tasks that have answered already, by address.
    init(_ cluster: ClusterSpec, incarnations: [String: UInt64] = [:]) {
        self.cluster = cluster
        answered = Mutex(incarnations.mapValues { Answered(last: $0, used: $0) })
    }

    /// Expects a task, which is used from now on, in this incarnation.
    func expect(_ address: String, _ incarnation: UInt64) {
        answered.withLock { $0[address] = Answered(last: incarnation, used: incarnation) }
    }
    /// Notes that a task has answered this process, so that it is lost when it does not answer the next poll. On a busy machine a task may
    /// be used before it has answered a poll in time.
    func recordAnswer(of address: String) { answered.withLock { $0[address] = $0[address] ?? Answered() } }
    /// The incarnations in which tasks are used, by address, also if they were restarted since: what they had then is gone.
    var incarnations: [String: UInt64] { answered.withLock { $0.compactMapValues(\.used) } }

    /// Polls every task until cancelled.
    /// - Parameter onSight: an error that it throws ends the monitoring.
    func watch(_ onSight: @escaping @Sendable (_ task: DeviceName, _ sight: Sight) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in cluster.tasks {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                group.addTask { [self] in try await watch(task.address) { try onSight(name, $0) } }
            }
            // Not `waitForAll`, which would not throw before the loops of the other tasks end.
            for try await _ in group {}
            try Task.checkCancellation()
        }
    }

    private func watch(_ address: String, _ onSight: (Sight) throws -> Void) async throws {
        var isLost = false
        while true {
            let found: Result<UInt64?, Status>
            do { found = .success(try await TaskMonitor.incarnation(of: address)) } catch { found = .failure(Status(error)) }
            // A call that was cancelled says nothing of the task.
            try Task.checkCancellation()
            switch found {
            case .success(let incarnation):
                let before = recordPoll(of: address, incarnation)
                if let before, let incarnation, before != incarnation, !isLost { try onSight(.lost("\(address) was restarted")) }
                isLost = false
                try onSight(.answers)
            case .failure(let status):
                guard !isLost, answered.withLock({ $0[address] }) != nil else { break }
                isLost = true
                try onSight(.lost("\(address) does not answer: \(status.message)"))
            }
            try await Task.sleep(for: .milliseconds(300))
        }
    }

    /// Notes in which incarnation a task has answered a poll.
    /// - Returns: that in which it answered before; nil if there is none.
    private func recordPoll(of address: String, _ incarnation: UInt64?) -> UInt64? {
        answered.withLock { answered in
            let before = answered[address] ?? Answered()
            answered[address] = Answered(last: incarnation ?? before.last, used: before.used ?? incarnation)
            return before.last
        }
    }

    /// The incarnation of a task's devices: another one after a restart.
    /// - Throws: `unavailable` or `deadlineExceeded` when it does not answer within a second.
    static func incarnation(of address: String) async throws -> UInt64? {
        try await ServerProbe.devices(address: address, timeout: .seconds(1)).first?.incarnation
    }

    /// Polls one task.
    /// - Returns: why the task is lost; nil when the monitoring was cancelled.
    static func watch(_ address: String) async -> String? {
        struct Lost: Error { let reason: String }
        let monitor = TaskMonitor(ClusterSpec())
        do {
            try await monitor.watch(address) { sight in if case .lost(let reason) = sight { throw Lost(reason: reason) } }
        } catch {
            if let lost = error as? Lost { return lost.reason }
        }
        return nil
    }
}
