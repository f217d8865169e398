import Synchronization
import WeirCluster
import WeirGraph
import WeirTensor

/// Monitors the tasks of a cluster. It reports within two seconds that a task does not answer or was restarted.
final class TaskMonitor: Sendable {
    /// How long the monitor may take to notice that a task is lost. Who sees something fail waits so long before it blames anyone: the
    /// failure of one task makes steps on others fail, and may reach a client first from them.
    static let noticeTime = Duration.seconds(2)

    private let cluster: ClusterSpec
    /// The addresses of tasks that have answered this process in another way.
    private let answered = Mutex<Set<String>>([])

    init(_ cluster: ClusterSpec) { self.cluster = cluster }

    /// Notes that a task has answered this process, so that it is lost when it does not answer the next poll. On a busy machine a task may
    /// be used before it has answered a poll in time.
    func recordAnswer(of address: String) { answered.withLock { _ = $0.insert(address) } }

    /// Polls every task until cancelled.
    /// - Parameter onLostTask: called once for each lost task; an error that it throws ends the monitoring.
    func watch(_ onLostTask: @escaping @Sendable (_ task: DeviceName, _ reason: String) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in cluster.tasks {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                let hasAnswered: @Sendable () -> Bool = { self.answered.withLock { $0.contains(task.address) } }
                group.addTask {
                    if let reason = await TaskMonitor.watch(task.address, hasAnswered: hasAnswered) { try onLostTask(name, reason) }
                }
            }
            // Not `waitForAll`, which would not throw before the loops of the other tasks end.
            for try await _ in group {}
            // All tasks are lost, or the monitoring was cancelled.
            try Task.checkCancellation()
        }
    }

    /// Polls one task.
    /// - Parameter hasAnswered: whether the task has answered this process, though maybe no poll. A task that never has may be starting.
    /// - Returns: why the task is lost; nil when the monitoring was cancelled.
    static func watch(_ address: String, hasAnswered: @Sendable () -> Bool = { false }) async -> String? {
        var incarnation: UInt64?
        while !Task.isCancelled {
            do {
                let found = try await ServerProbe.devices(address: address, timeout: .seconds(1)).first?.incarnation
                if let incarnation, let found, incarnation != found { return "\(address) was restarted" }
                incarnation = found ?? incarnation
            } catch {
                if Task.isCancelled { return nil }
                if incarnation != nil || hasAnswered() { return "\(address) does not answer: \(Status(error).message)" }
            }
            do { try await Task.sleep(for: .milliseconds(300)) } catch { return nil }
        }
        return nil
    }
}
