import Synchronization
public import WeirGraph
public import WeirOps
import WeirTensor

/// Spreads variables over the parameter servers and puts everything else on one worker: a device scope to build a model
/// in, the same in every worker's client.
///
/// ```swift
/// let setter = ReplicaDeviceSetter(parameterServers: 2, worker: "/job:worker/task:0")
/// builder.device(setter.device) { … }
/// ```
public final class ReplicaDeviceSetter: Sendable {
    /// Which server the next variable goes to.
    public enum Balance: Sendable {
        /// One after the other.
        case roundRobin
        /// To the one that holds the fewest bytes.
        case bytes
    }
    private let job: String
    private let worker: String
    private let balance: Balance
    private let registry: OpRegistry
    private struct Load {
        var next = 0
        var bytes: [Int]
    }
    private let load: Mutex<Load>

    /// - Parameters:
    ///   - parameterServers: how many tasks `job` has; with none, variables stay with the worker.
    ///   - worker: the device of everything that is no variable.
    ///   - registry: the ops, which say whether their nodes hold parameters.
    public init(
        parameterServers: Int, job: String = "ps", worker: String, balance: Balance = .roundRobin,
        registry: OpRegistry = .standard
    ) {
        self.job = job
        self.worker = worker
        self.balance = balance
        self.registry = registry
        load = Mutex(Load(bytes: [Int](repeating: 0, count: max(parameterServers, 0))))
    }

    public var device: BuildScope.DeviceFunction { { [self] node in choose(node) } }

    private func choose(_ node: NodeDefinition) -> String {
        let holdsState = registry[node.op]?.holdsParameters == true
        let chosen = load.withLock { load -> String in
            guard holdsState, !load.bytes.isEmpty else { return worker }
            let task: Int
            switch balance {
            case .roundRobin:
                task = load.next
                load.next = (load.next + 1) % load.bytes.count
            case .bytes:
                task = load.bytes.indices.min { load.bytes[$0] < load.bytes[$1] } ?? 0
                let count = node.attributes.shape("shape")?.elementCount ?? 0
                load.bytes[task] += max(1, count * (node.attributes.type("dtype")?.byteCount ?? 4))
            }
            return "/job:\(job)/task:\(task)"
        }
        // What the node was asked to be already wins where both say something.
        guard let mine = try? DeviceName(chosen), let asked = try? DeviceName(node.device) else { return chosen }
        return mine.overridden(by: asked).description
    }
}
