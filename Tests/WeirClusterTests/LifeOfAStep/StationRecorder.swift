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
    private let stations = Mutex<[Station]?>(nil)

    func record(_ process: String, _ type: String, _ event: String) {
        stations.withLock { $0?.append(Station(process: process, type: type, event: event)) }
    }
    /// Begins a recording.
    func start() { stations.withLock { $0 = [] } }
    var recorded: [Station] { stations.withLock { $0 ?? [] } }

    /// Waits until a task has forgotten the step, at most ten seconds. This station comes last and may follow the client's.
    func waitForCleanup(by process: String) async throws {
        let end = ContinuousClock.now + .seconds(10)
        while !recorded.contains(where: { $0.process == process && $0.event == "CleanupGraph" }), .now < end {
            try await Task.sleep(for: .milliseconds(5))
        }
        // A station too many would come soon after.
        try await Task.sleep(for: .milliseconds(50))
    }
}
