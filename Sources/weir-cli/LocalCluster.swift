import Synchronization
import Weir

/// A cluster on this machine, with one child process for each task, on loopback addresses.
final class LocalCluster: Sendable {
    let spec: ClusterSpec
    private let children: [ChildProcess]
    private let isEnding = Atomic<Bool>(false)

    /// - Parameter text: the jobs and their task counts, such as `ps=1,worker=2`.
    /// - Throws: `ValidationError` for a malformed text; `unavailable` when a server does not start.
    init(_ text: String, serverArguments: [String] = []) throws {
        let spec = try ClusterSpec(localJobs: text)
        self.spec = spec
        var started: [ChildProcess] = []
        do {
            for task in spec.tasks {
                started.append(
                    try ChildProcess(
                        ["serve", "--cluster", spec.json, "--job", task.job, "--task", "\(task.task)", "--until-input-ends"] + serverArguments,
                        name: "/job:\(task.job)/task:\(task.task)"))
            }
            for child in started { _ = try child.firstLine() }
        } catch {
            ChildProcess.end(started)
            throw error
        }
        children = started
    }

    var processes: [(name: String, pid: Int32)] { children.map { ($0.name, $0.pid) } }

    /// Calls `report` for each server that ends, with its task, its pid and how it ended, except for those that `end` ends.
    /// - Throws: `resourceExhausted` when the system has no threads for it.
    func whenServerEnded(_ report: @escaping @Sendable (_ name: String, _ pid: Int32, _ how: String) -> Void) throws {
        for child in children {
            try child.whenEnded { [self, child] how in
                if !isEnding.load(ordering: .acquiring) { report(child.name, child.pid, how) }
            }
        }
    }

    /// Ends all servers.
    /// - Parameter isUrgent: whether somebody waits who needs nothing more of the servers. Then one that does not end at once is killed.
    func end(isUrgent: Bool = false) {
        isEnding.store(true, ordering: .releasing)
        ChildProcess.end(children, within: isUrgent ? .milliseconds(100) : ChildProcess.grace)
    }
}
