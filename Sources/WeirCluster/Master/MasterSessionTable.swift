import Logging
import Metrics
import Synchronization
import WeirRuntime
import WeirTensor

/// A session with the view of the cluster that is closed with it.
struct OpenSession: Sendable {
    let session: MasterSession
    let view: ClusterView

    func close(within time: Duration = MasterSession.closingTime) async {
        await session.close(within: time)
        view.close()
    }

    /// Closes sessions concurrently, because each may wait for a task that does not respond.
    static func close(_ sessions: [OpenSession], within time: Duration = MasterSession.closingTime) async {
        await withTaskGroup(of: Void.self) { group in
            for session in sessions { group.addTask { await session.close(within: time) } }
        }
    }
}

/// The open sessions of a master.
///
/// Clients may abandon their sessions. The least recently used ones without a running step are evicted
/// ([decision 12](../../../docs/decisions/0012-bounded-server-state.md)).
final class MasterSessionTable: Sendable {
    private let sessions: Mutex<LRUCache<String, OpenSession>>
    private let logger: Logger
    private let openCount: Meter

    /// - Parameters:
    ///   - capacity: the maximum number of sessions.
    ///   - nodeCount: the maximum number of nodes of all sessions together.
    ///   - openCount: records the number of sessions.
    init(capacity: Int, nodeCount: Int, logger: Logger, openCount: Meter) {
        sessions = Mutex(LRUCache(capacity: capacity, weight: nodeCount))
        self.logger = logger
        self.openCount = openCount
    }

    var count: Int { sessions.withLock { $0.count } }

    /// Returns a session and marks it as used.
    /// - Throws: a status with the code `missing` when there is no session with this handle.
    func session(_ handle: String, missing: Status.Code = .aborted) throws(Status) -> MasterSession {
        guard let open = sessions.withLock({ $0.use(handle) }) else { throw MasterSessionTable.notFound(handle, missing) }
        return open.session
    }

    func insert(_ open: OpenSession, nodeCount: Int) {
        openCount.increment()
        close(evicted: sessions.withLock { $0.insert(open.session.handle, open, weight: max(1, nodeCount)) { $0.session.isBusy } })
    }

    /// Notes how many nodes a session has after its graph was extended.
    func resize(_ handle: String, nodeCount: Int) {
        close(evicted: sessions.withLock { $0.reweigh(handle, max(1, nodeCount)) { $0.session.isBusy } })
    }

    private func close(evicted sessions: [OpenSession]) {
        for open in sessions {
            openCount.decrement()
            logger.debug("Closing the least recently used session: too many are open", metadata: ["session": "\(open.session.handle)"])
            Task.detached { await open.close() }
        }
    }

    /// Removes a session. The caller closes it.
    /// - Throws: `aborted` when there is no session with this handle.
    func remove(_ handle: String) throws(Status) -> OpenSession {
        guard let open = sessions.withLock({ $0.remove(handle) }) else { throw MasterSessionTable.notFound(handle, .aborted) }
        openCount.decrement()
        return open
    }

    /// Removes all sessions. The caller closes them.
    func removeAll() -> [OpenSession] {
        let removed = sessions.withLock { $0.removeAll() }
        openCount.decrement(by: Double(removed.count))
        return removed
    }

    private static func notFound(_ handle: String, _ code: Status.Code) -> Status {
        Status(code, "Session \(handle) is not found. Possibly, this master has restarted.")
    }
}
