import WeirCluster
import WeirGraph
import WeirTensor

/// Watches the tasks of a cluster: says within two seconds when one is gone or has been restarted.
struct WorkerMonitor: Sendable {
    private let cluster: ClusterSpec
    init(_ cluster: ClusterSpec) { self.cluster = cluster }

    /// Asks every task, again and again, until cancelled.
    /// - Parameter onLoss: called once a lost task; what it throws ends the watch.
    func watch(_ onLoss: @escaping @Sendable (_ task: DeviceName, _ reason: String) throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for task in cluster.tasks {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                group.addTask {
                    if let reason = await WorkerMonitor.watch(name, task.address) { try onLoss(name, reason) }
                }
            }
            // Not `waitForAll`, which would wait for the watches of those that are alive before it throws.
            for try await _ in group {}
            // Everybody is lost, or the watch was cancelled.
            try Task.checkCancellation()
        }
    }

    /// - Returns: why the task is lost, or nil when the watch was cancelled.
    private static func watch(_ name: DeviceName, _ address: String) async -> String? {
        var incarnation: UInt64?
        while !Task.isCancelled {
            do {
                let found = try await ServerProbe.devices(address: address, timeout: .seconds(1)).first?.incarnation
                if let incarnation, let found, incarnation != found { return "\(address) was restarted" }
                incarnation = found ?? incarnation
            } catch {
                if Task.isCancelled { return nil }
                // Before it has answered once it may just be starting.
                if incarnation != nil { return "\(address) does not answer: \(Status(error).message)" }
            }
            do { try await Task.sleep(for: .milliseconds(300)) } catch { return nil }
        }
        return nil
    }
}
