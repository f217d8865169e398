import WeirCluster
import WeirGraph
import WeirTensor

/// Monitors the tasks of a cluster. It reports within two seconds that a task does not answer or was restarted.
struct TaskMonitor: Sendable {
    private let cluster: ClusterSpec
    init(_ cluster: ClusterSpec) { self.cluster = cluster }

    /// Polls every task until cancelled.
    /// - Parameter onLostTask: called once for each lost task; an error that it throws ends the monitoring.
    func watch(_ onLostTask: @escaping @Sendable (_ task: DeviceName, _ reason: String) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in cluster.tasks {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                group.addTask {
                    if let reason = await TaskMonitor.watch(task.address) { try onLostTask(name, reason) }
                }
            }
            // Not `waitForAll`, which would not throw before the loops of the other tasks end.
            for try await _ in group {}
            // All tasks are lost, or the monitoring was cancelled.
            try Task.checkCancellation()
        }
    }

    /// Polls one task.
    /// - Returns: why the task is lost; nil when the monitoring was cancelled.
    static func watch(_ address: String) async -> String? {
        var incarnation: UInt64?
        while !Task.isCancelled {
            do {
                let found = try await ServerProbe.devices(address: address, timeout: .seconds(1)).first?.incarnation
                if let incarnation, let found, incarnation != found { return "\(address) was restarted" }
                incarnation = found ?? incarnation
            } catch {
                if Task.isCancelled { return nil }
                // A task that has never answered may still be starting.
                if incarnation != nil { return "\(address) does not answer: \(Status(error).message)" }
            }
            do { try await Task.sleep(for: .milliseconds(300)) } catch { return nil }
        }
        return nil
    }
}
