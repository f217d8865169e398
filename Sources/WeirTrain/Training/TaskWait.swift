import Synchronization
import WeirCluster
import WeirTensor

/// Waits until the tasks answer that a training needs, and names those that do not.
struct TaskWait: Sendable {
    /// Tasks that answer.
    struct Found: Sendable {
        /// By address.
        var incarnations: [String: UInt64] = [:]
        /// The numbers of the workers that do not answer, and that training can do without.
        var absentWorkers: Set<Int> = []
    }
    private let tasks: [(name: String, address: String, worker: Int?)]
    /// The numbers of the workers whose clients run here.
    private let workers: Set<Int>
    private let requiredWorkers: Int
    private let timeout: Duration
    private let notice: @Sendable (String) -> Void

    init(
        _ plan: TrainingPlan, _ setting: TrainingSetting, _ clients: [TrainingClient], timeout: Duration, notice: @escaping @Sendable (String) -> Void
    ) {
        tasks = setting.cluster.tasks.map { task in
            let number = task.job == "worker" ? setting.workerTasks.firstIndex(of: task.task) : nil
            return ("\(task.job == "ps" ? "parameter server " : "")/job:\(task.job)/task:\(task.task)", task.address, number)
        }
        workers = plan.hasClientForEachWorker ? Set(clients.map(\.worker)) : []
        requiredWorkers = plan.requiredWorkers
        self.timeout = timeout
        self.notice = notice
    }

    /// Whether training needs these tasks: all but workers, the chief's, those of this process's only client, and as many as an update needs.
    private func misses(_ silent: [(name: String, address: String, worker: Int?)]) -> Bool {
        let numbers = silent.compactMap(\.worker)
        return numbers.count < silent.count || numbers.contains(0) || workers.isSubset(of: numbers)
            || tasks.count { $0.worker != nil } - numbers.count < requiredWorkers
    }

    /// Waits until all tasks answer, or all that training needs: then a moment more for the others, which may be on their way.
    /// - Throws: `unavailable` with the names of tasks that have not answered in time, and `failure`.
    func tasks(lostBy failure: Status) async throws -> Found {
        let begin = ContinuousClock.now
        var noticed = begin - .seconds(1)
        while true {
            let incarnations = await answers()
            try Task.checkCancellation()
            let silent = tasks.filter { incarnations[$0.address] == nil }
            let waited = ContinuousClock.now - begin
            if silent.isEmpty || !misses(silent) && waited >= TaskWait.moment {
                return Found(incarnations: incarnations, absentWorkers: Set(silent.compactMap(\.worker)))
            }
            let names = silent.map { "\($0.name) at \($0.address)" }.joined(separator: ", ")
            guard waited < timeout else {
                throw Status.unavailable(
                    "\(names) did not answer for \(timeout), the time that training waits for lost tasks. It had ended with: \(failure.message)")
            }
            if .now - noticed >= .seconds(1) {
                notice("waiting for \(names): no answer yet, for \(Int(waited.seconds)) s of \(Int(timeout.seconds)) s")
                noticed = .now
            }
            try await Task.sleep(for: .milliseconds(100))
        }
    }

    private static let moment = Duration.seconds(1)

    /// Asks all tasks at the same time.
    private func answers() async -> [String: UInt64] {
        await withTaskGroup(of: (String, UInt64)?.self) { group in
            for task in tasks { group.addTask { (try? await TaskMonitor.incarnation(of: task.address)).flatMap { $0 }.map { (task.address, $0) } } }
            return await group.reduce(into: [:]) { if let found = $1 { $0[found.0] = found.1 } }
        }
    }
}
