import Synchronization

/// The notices of a client, for which a test can wait.
final class Notices: Sendable {
    private struct State {
        var texts: [String] = []
        var waits: [(text: String, continuation: CheckedContinuation<Void, Never>)] = []
    }
    private let state = Mutex(State())

    var all: [String] { state.withLock { $0.texts } }

    func add(_ text: String) {
        let ended = state.withLock { state -> [CheckedContinuation<Void, Never>] in
            state.texts.append(text)
            let ended = state.waits.filter { text.contains($0.text) }.map(\.continuation)
            state.waits.removeAll { text.contains($0.text) }
            return ended
        }
        for continuation in ended { continuation.resume() }
    }

    /// Waits for a notice with this text.
    func wait(for text: String) async {
        await withCheckedContinuation { (continuation: CheckedContinuation<Void, Never>) in
            let isThere = state.withLock { state in
                if state.texts.contains(where: { $0.contains(text) }) { return true }
                state.waits.append((text, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func contain(_ text: String) -> Bool { all.contains { $0.contains(text) } }
}
