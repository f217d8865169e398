import Synchronization
import WeirCluster
import WeirTensor

// Workers that are lost and return.
extension TrainingRun {
    /// Runs a client to the end of training. If its worker is lost and returns, the client goes on with the current values.
    /// - Parameter loop: nil if the worker does not answer yet.
    func runToEnd(_ client: TrainingClient, _ loop: ClientLoop?, from first: Int) async throws {
        var isLost = true
        if let loop { isLost = try await loop.runUntilLost(from: first) }
        guard client.worker != 0 else { return progress.end() }
        guard options.recovery != nil else { return }
        while isLost, await progress.hasReturned(client.worker) { isLost = try await goOn(client) }
    }

    /// Goes on in a new session, until training ends or the worker is lost again. A step whose outcome was not known is not made again:
    /// the batches are those that follow from the number of updates now.
    /// - Returns: whether the worker was lost again.
    private func goOn(_ client: TrainingClient) async throws -> Bool {
        let isLost = Atomic<Bool>(false)
        let work = Task {
            let loop = try await open(client)
            if let master = client.master, let found = try await incarnations(loop.session).first(where: { $0.task.isSameTask(as: master) }) {
                monitor.expect(found.address, found.incarnation)
            }
            guard try await loop.join(again: true) else { return false }
            return try await loop.runUntilLost(from: try await loop.updateCount())
        }
        progress.whenLost(client.worker) {
            isLost.store(true, ordering: .releasing)
            work.cancel()
        }
        do {
            return try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
        } catch {
            if isLost.load(ordering: .acquiring) { return true }
            let status = Status(error)
            guard status.mayBeLoss, !Task.isCancelled, let master = client.master else { throw status }
            try lost(DeviceName(job: master.job, replica: 0, task: master.task), status.message)
            return true
        }
    }

    /// A task that answers: a worker that was lost is back.
    func answers(_ task: DeviceName) {
        guard options.recovery != nil, task.job == "worker", let number = setting.workerTasks.firstIndex(of: task.task ?? -1), number != 0 else { return }
        progress.returned(number)
    }

    /// The tasks that a session uses, in the incarnations that it knows.
    func incarnations(_ session: Session) async throws(Status) -> [(task: DeviceName, address: String, incarnation: UInt64)] {
        var found: [(task: DeviceName, address: String, incarnation: UInt64)] = []
        for device in try await session.devices() {
            guard let job = device.name.job, let task = device.name.task, let address = setting.cluster.address(job: job, task: task) else { continue }
            if !found.contains(where: { $0.address == address }) { found.append((device.name, address, device.incarnation)) }
        }
        return found
    }
}
