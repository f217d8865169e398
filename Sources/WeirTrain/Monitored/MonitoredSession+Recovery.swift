import WeirCluster
import WeirTensor

// What happens when servers are lost.
extension MonitoredSession {
    /// Does something with the session, and again with a new one when servers were lost.
    func retrying<T: Sendable>(_ work: @escaping @Sendable (Session) async throws(Status) -> T) async throws(Status) -> T {
        let limit = options.maximumWait.bounded
        let clock = manager.clock
        var end = clock.now() + limit
        var cause: Status?
        while true {
            do throws(Status) {
                let session = try await current(within: end - clock.now(), after: cause)
                return try await watched { () throws(Status) in try await work(session) }
            } catch {
                if Task.isCancelled { throw error.code == .cancelled ? error : .cancelled("The training was cancelled: \(error.message)") }
                guard error.isPreemption else { throw error }
                let now = clock.now()
                if cause == nil { end = now + limit }
                if now >= end { throw .deadlineExceeded("Steps fail for \(limit.text), the last time with: \(error.message)") }
                // A new session whose first step fails too is not tried again at once.
                if cause != nil { try? await clock.sleep(.milliseconds(500)) }
                cause = error
                options.onNotice("a server was lost (\(error.message)); a new session is made")
                if let lost = state.withLock({ state -> Session? in
                    defer { state.session = nil }
                    return state.session
                }) {
                    await manager.close(lost)
                }
            }
        }
    }

    /// The session, which is made if there is none.
    private func current(within limit: Duration, after cause: Status?) async throws(Status) -> Session {
        if let session = state.withLock({ $0.session }) { return session }
        let creation = try await manager.create(within: limit, after: cause)
        do throws(Status) {
            for hook in hooks { try await watched { () throws(Status) in try await hook.afterCreateSession(creation) } }
        } catch {
            await manager.close(creation.session)
            throw error
        }
        state.withLock { $0.session = creation.session }
        return creation.session
    }

    /// Does something with a master that may never come back.
    func watched<T: Sendable>(_ work: @escaping @Sendable () async throws(Status) -> T) async throws(Status) -> T {
        guard let watch else { return try await work() }
        return try await watch.run(work)
    }
}
