import WeirCluster
import WeirTensor

// Workers that are lost and return.
extension TrainingRun {
    /// Does some work of a worker's client. If the worker is lost, cancels it, because a call to a lost server may block without end.
    /// - Returns: what the work returned; nil if the worker was lost. It may have returned since.
    /// - Throws: the error of the work, unless the worker was lost and is not the chief's.
    func untilLost<T: Sendable>(_ worker: Int, _ body: @escaping @Sendable () async throws -> T) async throws -> T? {
        let isLost = SharedFlag()
        let work = Task { try await body() }
        progress.whenLost(worker) {
            isLost.set()
            work.cancel()
        }
        do {
            let value = try await withTaskCancellationHandler {
                try await work.value
            } onCancel: {
                work.cancel()
            }
            return isLost.isSet ? nil : value
        } catch {
            if isLost.isSet, worker != 0 { return nil }
            throw error
        }
    }

    /// Runs a client to the end of training. If its worker is lost and returns, the client goes on with the current values.
    /// - Parameter loop: nil if the worker does not answer yet.
    /// - Throws: `WaitIsOver` when the worker does not return in time and this process has no other client.
    func runToEnd(_ client: TrainingClient, _ loop: ClientLoop?, from first: Int) async throws {
        var isLost = true
        if let loop { isLost = try await loop.runUntilLost(from: first) }
        guard client.worker != 0 else { return progress.end() }
        guard let recovery = options.recovery else { return }
        while isLost, try await hasReturned(client, within: recovery.timeout) { isLost = try await goOn(client) }
    }

    /// Waits until a client's worker answers again: without a limit beside other clients, which go on meanwhile.
    /// - Returns: false when training has ended instead.
    private func hasReturned(_ client: TrainingClient, within limit: Duration) async throws -> Bool {
        guard !progress.hasOwnWorkerLeft else { return await progress.hasReturned(client.worker) }
        let name = "\(client.master.map { "\($0)" } ?? "worker \(client.worker)"), whose client this process is"
        let reports = Task.reporting { progress.notice("waiting for \(name): no answer yet; training ends if there is none within \(limit)") }
        defer { reports.cancel() }
        let (hasReturned, isLate) = await MonitorClock.continuous.run(within: limit) { await progress.hasReturned(client.worker) }
        guard hasReturned || !isLate else {
            throw WaitIsOver(status: .unavailable("\(name), did not answer for \(limit), the time that training waits for lost tasks"))
        }
        return hasReturned
    }

    /// Goes on in a new session, until training ends or the worker is lost again. A step whose outcome was not known is not made again:
    /// the batches are those that follow from the number of updates now.
    /// - Returns: whether the worker was lost again.
    private func goOn(_ client: TrainingClient) async throws -> Bool {
        do {
            let isLost = try await untilLost(client.worker) {
                guard let loop = try await openSessions([client]).first else { return true }
                if let master = client.master, let found = try await incarnations(loop.session).first(where: { $0.task.isSameTask(as: master) }) {
                    monitor.expect(found.address, found.incarnation)
                }
                guard try await loop.join(again: true) else { return false }
                return try await loop.runUntilLost(from: try await loop.updateCount())
            }
            return isLost ?? true
        } catch {
            let status = (error as? WaitIsOver)?.status ?? Status(error)
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
