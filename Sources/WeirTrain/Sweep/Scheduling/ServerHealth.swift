import WeirCluster
import WeirTensor

/// Tells whether servers answer.
public protocol ServerHealth: Sendable {
    /// Waits until a server that runs a trial is lost.
    /// - Returns: why it is lost; nil when the task is cancelled.
    func waitUntilLost(_ server: SweepServer) async -> String?
    /// Waits until a lost server answers again.
    /// - Returns: false when the task is cancelled.
    func waitUntilAnswers(_ server: SweepServer) async -> Bool
}

/// Asks servers whether they answer, some times a second. Places in this process are never lost.
public struct ProbedServerHealth: ServerHealth {
    /// Makes the value.
    public init() {}

    /// Waits until a server does not answer any more.
    public func waitUntilLost(_ server: SweepServer) async -> String? {
        guard case .address(let address) = server else { return nil }
        return await TaskMonitor.watch(address)
    }

    /// Waits until a server answers: at least half a second.
    public func waitUntilAnswers(_ server: SweepServer) async -> Bool {
        // The first probe waits, too: a server that answers but fails every trial is not asked without a pause.
        while (try? await Task.sleep(for: .milliseconds(500))) != nil {
            guard case .address(let address) = server else { return true }
            if (try? await ServerProbe.devices(address: address, timeout: .seconds(1))) != nil { return true }
        }
        return false
    }
}
