import Synchronization
public import WeirGraph
public import WeirOps
import WeirTensor

/// A device function that spreads variables over the parameter servers and places all other ops on one worker (TensorFlow's
/// `replica_device_setter`). Clients that build the same variables in the same order get the same placement.
///
/// ```swift
/// let setter = ReplicaDeviceSetter(parameterServers: 2, worker: "/job:worker/task:0")
/// builder.device(setter.device) { … }
/// ```
public final class ReplicaDeviceSetter: Sendable {
    /// How the parameter server of the next variable is chosen.
    public enum Balance: Sendable {
        /// In turn.
        case roundRobin
        /// The server that holds the fewest bytes.
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
    ///   - parameterServers: the number of tasks of `job`; with 0, variables are placed on the worker.
    ///   - worker: the device of all ops that hold no parameters.
    ///   - registry: says which ops hold parameters.
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

    /// The device function, for `GraphBuilder.device`.
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
                // A graph may declare more variables than memory could hold, so the sum saturates.
                let (bytes, isTooLarge) = count.multipliedReportingOverflow(by: node.attributes.type("dtype")?.byteCount ?? 4)
                let (sum, overflow) = load.bytes[task].addingReportingOverflow(max(1, bytes))
                load.bytes[task] = isTooLarge || overflow ? .max : sum
            }
            return "/job:\(job)/task:\(task)"
        }
        // A part that the node's own device gives takes precedence.
        guard let mine = try? DeviceName(chosen), let asked = try? DeviceName(node.device) else { return chosen }
        return mine.overridden(by: asked).description
    }
}
