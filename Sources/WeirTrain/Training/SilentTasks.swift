import Synchronization
import WeirCluster
import WeirTensor

/// The tasks that a training needs at its start and that have not answered this process, with the reasons.
final class SilentTasks: Sendable {
    /// All tasks that the training needs.
    let tasks: [ClusterSpec.Task]
    /// Why a task has not answered; nil when it has.
    private let reasons: Mutex<[String?]>

    /// - Parameters:
    ///   - clients: they need the tasks of their masters and those that their device filters name, as their sessions do.
    init(of clients: [TrainingClient], in cluster: ClusterSpec) throws(Status) {
        var needed: [ClusterSpec.Task] = []
        for client in clients {
            guard let master = client.master else { continue }
            let filters = try client.deviceFilters.map { text throws(Status) in try DeviceName(text) }
            for task in cluster.tasks where !needed.contains(task) {
                let name = DeviceName(job: task.job, replica: 0, task: task.task)
                let isNeeded = filters.isEmpty || name.isCompatible(with: master) || filters.contains { name.isCompatible(with: $0.taskName) }
                if isNeeded { needed.append(task) }
            }
        }
        tasks = needed
        reasons = Mutex([String?](repeating: "no answer", count: needed.count))
    }

    /// Asks each task until it answers, or until the Swift task is cancelled.
    func ask() async {
        await withTaskGroup(of: Void.self) { group in
            for index in tasks.indices {
                group.addTask {
                    repeat {
                        let reason = await SilentTasks.silence(of: self.tasks[index].address)
                        if Task.isCancelled { return }
                        self.reasons.withLock { $0[index] = reason }
                        if reason == nil { return }
                    } while (try? await Task.sleep(for: .milliseconds(300))) != nil
                }
            }
        }
    }

    /// Why no server answers at an address; nil when one does.
    static func silence(of address: String) async -> String? {
        do throws(Status) {
            _ = try await ServerProbe.devices(address: address, timeout: .seconds(1))
            return nil
        } catch {
            if error.code == .deadlineExceeded { return "no answer" }
            // The transport's words are long, and say the address again.
            let known = [("refused", "connection refused"), ("resolve", "unknown host")]
            return known.first { error.message.firstRange(of: $0.0) != nil }?.1 ?? error.message
        }
    }

    /// The tasks that have not answered, each with its address and the reason: `/job:ps/task:0 at b:2222 (connection refused)`.
    var descriptions: [String] {
        zip(tasks, reasons.withLock { $0 }).compactMap { task, reason in
            reason.map { "/job:\(task.job)/task:\(task.task) at \(task.address) (\($0))" }
        }
    }
}
