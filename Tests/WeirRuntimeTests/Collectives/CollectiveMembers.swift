import Synchronization
import WeirDevice
import WeirGraph
import WeirKernels
import WeirTensor

@testable import WeirRuntime

/// Members of groups, each with an executor of its own, as if each were in a task of its own. They share a resolver and a transport,
/// which tells all executors when a group ends.
final class CollectiveMembers: Sendable {
    let transport: SharedTransport
    let runners: [CollectiveRunner]
    private static let stepNumber = Atomic<Int>(0)

    init(_ count: Int) {
        let resolver = LocalCollectiveResolver(), transport = SharedTransport()
        runners = (0..<count).map { _ in CollectiveRunner(resolver: resolver, transport: transport) { _ in 1 } }
        self.transport = transport
        transport.tell(runners)
    }

    static func device(_ rank: Int) -> DeviceName { DeviceName(job: "worker", replica: 0, task: rank, type: "CPU", index: 0) }

    /// An operation of a group of all members.
    func operation(
        _ kind: CollectiveOperation.Kind, rank: Int, _ dtype: DType = .float32, shape: Shape? = nil, size: Int? = nil, instance: Int = 1,
        timeout: Duration? = nil
    ) -> CollectiveOperation {
        var arithmetic: CollectiveArithmetic?
        switch kind {
        case .reduce(let reduction), .reduceScatter(let reduction): arithmetic = CollectiveArithmetic(reduction, dtype)
        default: break
        }
        return CollectiveOperation(
            kind, groupKey: 1, groupSize: size ?? runners.count, instanceKey: instance, dtype: dtype, shape: shape, arithmetic: arithmetic,
            device: CollectiveMembers.device(rank), timeout: timeout, name: "member \(rank)")
    }

    func step(_ rank: Int) -> StepContext {
        StepContext(
            id: CollectiveMembers.stepNumber.add(1, ordering: .relaxed).newValue, rendezvous: LocalRendezvous(), collectives: runners[rank])
    }

    /// Starts a member's part.
    func start(_ operation: CollectiveOperation, rank: Int, _ input: Tensor?, step: StepContext? = nil) -> BlockingCompletion<Tensor> {
        let completion = BlockingCompletion<Tensor>()
        runners[rank].start(operation, input: input, step: step ?? self.step(rank)) { completion.finish($0) }
        return completion
    }

    /// Runs an operation of all members, and gives their results.
    func run(_ kind: CollectiveOperation.Kind, _ inputs: [Tensor], instance: Int = 1) throws -> [Tensor] {
        let waiting = inputs.enumerated().map { rank, input in
            start(operation(kind, rank: rank, input.dtype, instance: instance), rank: rank, input)
        }
        return try waiting.map { try $0.wait().get() }
    }
}

/// A transport between tasks whose messages take no time.
final class SharedTransport: CollectiveTransport {
    private let local = LocalCollectiveTransport()
    private struct Member { weak var runner: CollectiveRunner? }
    private let members = Mutex<[Member]>([])
    private let generations = Atomic<UInt64>(0)
    /// The generation of the last tensor.
    var generation: UInt64 { generations.load(ordering: .relaxed) }

    func tell(_ runners: [CollectiveRunner]) { members.withLock { $0 = runners.map { Member(runner: $0) } } }
    var waitingCount: Int { local.waitingCount }

    func send(_ tensor: Tensor, _ key: CollectiveKey, to member: CollectiveGroup.Member, _ sent: @escaping @Sendable (Status?) -> Void) {
        generations.store(key.run.generation, ordering: .relaxed)
        local.send(tensor, key, to: member, sent)
    }
    func receive(
        _ key: CollectiveKey, from member: CollectiveGroup.Member, byteCount: Int, cancellation: Cancellation, _ done: @escaping Completion<Tensor>
    ) {
        local.receive(key, from: member, byteCount: byteCount, cancellation: cancellation, done)
    }
    func abort(_ run: CollectiveRun, _ group: CollectiveGroup, _ status: Status) {
        local.abort(run, group, status)
        for runner in members.withLock({ $0.compactMap(\.runner) }) { runner.end(run.generation, ofGroup: run.group, status) }
    }
    func end(_ run: CollectiveRun) { local.end(run) }
}

extension BlockingCompletion {
    /// The status of a failure; nil for a success. Waits on another thread, so that timers run meanwhile.
    func failureLater() async -> Status? {
        await withCheckedContinuation { continuation in
            ComputePool.shared.submit { continuation.resume(returning: self.failure()) }
        }
    }
    /// The status of a failure; nil for a success.
    func failure() -> Status? { if case .failure(let status) = wait() { status } else { nil } }
}
