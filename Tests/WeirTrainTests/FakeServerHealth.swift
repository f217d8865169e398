import Weir

@testable import WeirTrain

/// Tells what a test says of servers.
actor FakeServerHealth: ServerHealth {
    /// What one caller waits for. A cancelled wait must not end another for the same server, so that each has a number.
    private struct Wait<Value: Sendable> {
        let number: Int
        let server: SweepServer
        let continuation: CheckedContinuation<Value, Never>
    }
    private var watches: [Wait<String?>] = []
    private var answers: [Wait<Bool>] = []
    /// Servers that were lost, or came back, before anyone waited for it.
    private var lost: [SweepServer: String] = [:]
    private var revived: Set<SweepServer> = []
    private var count = 0

    func waitUntilLost(_ server: SweepServer) async -> String? {
        count += 1
        let number = count
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<String?, Never>) in
                if Task.isCancelled { return continuation.resume(returning: nil) }
                if let reason = lost.removeValue(forKey: server) { return continuation.resume(returning: reason) }
                watches.append(Wait(number: number, server: server, continuation: continuation))
            }
        } onCancel: {
            Task { await self.endWatch(number) }
        }
    }

    func waitUntilAnswers(_ server: SweepServer) async -> Bool {
        count += 1
        let number = count
        return await withTaskCancellationHandler {
            await withCheckedContinuation { (continuation: CheckedContinuation<Bool, Never>) in
                if Task.isCancelled { return continuation.resume(returning: false) }
                if revived.remove(server) != nil { return continuation.resume(returning: true) }
                answers.append(Wait(number: number, server: server, continuation: continuation))
            }
        } onCancel: {
            Task { await self.endAnswer(number) }
        }
    }

    private func endWatch(_ number: Int) {
        if let index = watches.firstIndex(where: { $0.number == number }) { watches.remove(at: index).continuation.resume(returning: nil) }
    }

    private func endAnswer(_ number: Int) {
        if let index = answers.firstIndex(where: { $0.number == number }) { answers.remove(at: index).continuation.resume(returning: false) }
    }

    /// The server does not answer from now on.
    func lose(_ server: SweepServer, _ reason: String) {
        if let index = watches.lastIndex(where: { $0.server == server }) {
            watches.remove(at: index).continuation.resume(returning: reason)
        } else {
            lost[server] = reason
        }
    }

    /// The server answers again.
    func revive(_ server: SweepServer) {
        if let index = answers.lastIndex(where: { $0.server == server }) {
            answers.remove(at: index).continuation.resume(returning: true)
        } else {
            revived.insert(server)
        }
    }
}
