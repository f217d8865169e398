import Synchronization
import WeirDevice
import WeirGraph
import WeirRuntime
import WeirTensor

/// Asks the task that leads the groups who takes part in a collective operation. TensorFlow's `CollectiveParamResolverDistributed`.
///
/// It keeps no answers: the runner asks once for each device and group.
final class ClusterCollectiveResolver: CollectiveResolver {
    private let collectives: WorkerCollectives
    private let peers: WorkerPeers
    private let leader: DeviceName
    private let pool: ComputePool
    private struct State {
        /// What cancels the requests that wait for the leader, by number.
        var waiting: [Int: Cancellation] = [:]
        var nextNumber = 0
        var isClosed = false
    }
    private let state = Mutex(State())
    /// Is called when a group that was found ends on another task.
    private let onEnd: @Sendable (CollectiveGroup, Status) -> Void
    /// How often a leader may answer with a group that has ended, before this is an error.
    private static let maximumAttempts = 3

    /// - Parameter pool: runs what follows an answer, which may be much work for the thread that brings it.
    init(
        _ collectives: WorkerCollectives, peers: WorkerPeers, leader: DeviceName, pool: ComputePool,
        onEnd: @escaping @Sendable (CollectiveGroup, Status) -> Void
    ) {
        self.collectives = collectives
        self.peers = peers
        self.leader = leader
        self.pool = pool
        self.onEnd = onEnd
    }

    func group(of member: CollectiveGroup.Member, _ operation: CollectiveOperation, _ done: @escaping Completion<CollectiveGroup>) {
        let request = CompleteGroup(groupKey: operation.groupKey, groupSize: operation.groupSize, member: member, rank: operation.rank)
        ask(request, attempt: 1, done)
    }

    private func ask(_ request: CompleteGroup, attempt: Int, _ done: @escaping Completion<CollectiveGroup>) {
        call(done) { [self] worker, cancellation, done in
            worker.completeGroup(request, cancellation: cancellation) { [self] result in
                guard case .success(let group) = result else { return done(result) }
                if let status = collectives.mailbox.end(of: group.key, group.generation) {
                    // The leader has not been told yet that this group has ended.
                    let tell = EndGroup(groupKey: group.key, generation: group.generation, status: status)
                    return askAgain(request, after: tell, attempt, done)
                }
                collectives.join(group, peers: peers, leader: leader) { [onEnd] status in onEnd(group, status) }
                done(result)
            }
        }
    }

    /// Tells the leader that a group has ended, then asks again.
    private func askAgain(_ request: CompleteGroup, after tell: EndGroup, _ attempt: Int, _ done: @escaping Completion<CollectiveGroup>) {
        guard attempt < ClusterCollectiveResolver.maximumAttempts else { return done(.failure(tell.status)) }
        Task { [self] in
            do {
                try await peers.worker(leader).endGroup(tell)
                ask(request, attempt: attempt + 1, done)
            } catch {
                done(.failure(Status(error)))
            }
        }
    }

    func sourceRank(_ operation: CollectiveOperation, in group: CollectiveGroup, rank: Int, _ done: @escaping Completion<Int>) {
        let request = CompleteInstance(operation, generation: group.generation)
        call(done) { worker, cancellation, done in worker.completeInstance(request, cancellation: cancellation, done) }
    }

    func leave(_ group: CollectiveGroup, _ status: Status) { collectives.end(group, status) }

    /// Makes a call to the leader that ends when this resolver is closed.
    private func call<T: Sendable>(
        _ done: @escaping Completion<T>, _ start: (any WorkerEndpoint, Cancellation, @escaping Completion<T>) -> Void
    ) {
        let cancellation = Cancellation()
        let number = state.withLock { state -> Int? in
            guard !state.isClosed else { return nil }
            state.nextNumber += 1
            state.waiting[state.nextNumber] = cancellation
            return state.nextNumber
        }
        guard let number else { return done(.failure(Status.cancelled("The session of this collective operation has been closed").derived)) }
        let finish: Completion<T> = { [self] result in
            state.withLock { _ = $0.waiting.removeValue(forKey: number) }
            if ComputePool.isOnPoolThread { done(result) } else { pool.submit { done(result) } }
        }
        do { start(try peers.worker(leader), cancellation, finish) } catch { finish(.failure(Status(error))) }
    }

    /// Ends the requests that wait. Later ones fail.
    func close() {
        let waiting = state.withLock { state in
            state.isClosed = true
            return Array(state.waiting.values)
        }
        for cancellation in waiting { cancellation.cancel() }
    }
}
