import Synchronization

/// A place that a step passes: a call at an endpoint, or a run of a kernel.
struct Station: Hashable, CustomStringConvertible {
    /// The process: `client`, or the job of its task.
    var process: String
    /// The type of the endpoint, or the op of the kernel.
    var type: String
    /// What happens there: the name of the RPC, the reply to it, or the kernel's tensor.
    var event: String
    var description: String { "\(process): \(type), \(event)" }
}

/// Records the stations of a step in the order in which it passes them.
final class StationRecorder: Sendable {
    private struct State {
        /// Nil while nothing is recorded.
        var stations: [Station]?
        var waiting: (process: String, continuation: CheckedContinuation<Void, Never>)?

        func hasCleanup(by process: String) -> Bool {
            stations?.contains { $0.process == process && $0.event == "CleanupGraph" } ?? false
        }
    }
    private let state = Mutex(State())

    func record(_ process: String, _ type: String, _ event: String) {
        let resumed = state.withLock { state -> CheckedContinuation<Void, Never>? in
            state.stations?.append(Station(process: process, type: type, event: event))
            guard let waiting = state.waiting, state.hasCleanup(by: waiting.process) else { return nil }
            state.waiting = nil
            return waiting.continuation
        }
        resumed?.resume()
    }
    /// Begins a recording.
    func start() { state.withLock { $0.stations = [] } }
    var recorded: [Station] { state.withLock { $0.stations ?? [] } }

    /// Waits until a task has forgotten the step. This station comes last and may follow the client's.
    func waitForCleanup(by process: String) async {
        await withCheckedContinuation { continuation in
            let isOver = state.withLock { state -> Bool in
                if state.hasCleanup(by: process) { return true }
                state.waiting = (process, continuation)
                return false
            }
            if isOver { continuation.resume() }
        }
    }
}
