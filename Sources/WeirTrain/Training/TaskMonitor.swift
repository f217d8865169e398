import Synchronization
import WeirCluster
import WeirGraph
import WeirTensor

/// Monitors the tasks of a cluster. It reports within two seconds that a task does not answer or was restarted, and that it answers.
final class TaskMonitor: Sendable {
    /// What was seen of a task.
    enum Sight: Sendable {
        /// It does not answer, or was restarted since it answered last. Reported once, until it answers again.
        case lost(String)
        /// It answers. Reported each time that it is asked.
        case answers
    }
    private struct State {
        /// The incarnations in which the tasks answered last. A task that has never answered may still be starting, and has none.
        var last: [String: UInt64]
        /// Those in which they are used.
        var used: [String: UInt64]
    }
    private let cluster: ClusterSpec
    private let state: Mutex<State>

    /// - Parameter incarnations: those of tasks that have answered already, by address.
    init(_ cluster: ClusterSpec, incarnations: [String: UInt64] = [:]) {
        self.cluster = cluster
        state = Mutex(State(last: incarnations, used: incarnations))
    }

    /// Expects a task, which is used from now on, in this incarnation.
    func expect(_ address: String, _ incarnation: UInt64) {
        state.withLock { state in
            state.last[address] = incarnation
            state.used[address] = incarnation
        }
    }
    /// The incarnations in which tasks are used, by address, also if they were restarted since: what they had then is gone.
    var incarnations: [String: UInt64] { state.withLock { $0.used } }

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
            let before = state.withLock { state in
                let before = state.last[address]
                if case .success(.some(let incarnation)) = found {
                    state.last[address] = incarnation
                    state.used[address] = state.used[address] ?? incarnation
                }
                return before
            }
            switch found {
            case .success(let incarnation):
                if let before, let incarnation, before != incarnation, !isLost { try onSight(.lost("\(address) was restarted")) }
                isLost = false
                try onSight(.answers)
            case .failure(let status):
                // A task that has never answered may still be starting.
                if before != nil, !isLost {
                    isLost = true
                    try onSight(.lost("\(address) does not answer: \(status.message)"))
                }
            }
            try await Task.sleep(for: .milliseconds(300))
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
