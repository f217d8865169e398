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
        await withTaskGroup(of: Void.self) { group in
            let timer = Task { try? await Task.sleep(for: time) }
            defer { timer.cancel() }
            for session in closing {
                group.addTask {
                    let close = Task { try? await session.close() }
                    // Cancelled when the time is over; the call ends then.
                    let limit = Task {
                        await timer.value
                        close.cancel()
                    }
                    await close.value
                    limit.cancel()
                }
            }
        }
    }
}
