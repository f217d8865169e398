import Synchronization
import WeirCluster

/// The sessions that a training has opened.
final class OpenSessions: Sendable {
    private let sessions = Mutex<[Session]>([])

    func add(_ session: Session) { sessions.withLock { $0.append(session) } }

    /// Closes all. A master that was restarted has none of them any more. When this returns, no step of a session runs on a task that
    /// answers.
    /// - Parameter time: how long to wait for masters that do not answer.
    func close(within time: Duration) async {
        let closing = sessions.withLock { sessions in
            defer { sessions = [] }
            return sessions
        }
        let close = Task {
            await withTaskGroup(of: Void.self) { group in
                for session in closing { group.addTask { try? await session.close() } }
            }
        }
        let limit = Task { if (try? await Task.sleep(for: time)) != nil { close.cancel() } }
        await close.value
        limit.cancel()
    }
}
