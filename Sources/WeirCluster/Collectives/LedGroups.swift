import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The groups of collective operations that this task leads. It knows who has joined, and tells the members' tasks when a group
/// has ended.
final class LedGroups: Sendable {
    private struct Led {
        let group: CollectiveGroup
        /// The tasks that wait for the end, by the number of their call.
        var watchers: [Int: Completion<Void>] = [:]
    }
    private struct State {
        /// The complete groups by generation.
        var groups = LRUCache<UInt64, Led>(capacity: CollectiveGroupTable.maximumCount)
        /// The last generation of each group that has ended.
        var ended = LRUCache<Int, UInt64>(capacity: CollectiveGroupTable.maximumCount)
        var nextWatcher = 0
    }
    private let resolver = LocalCollectiveResolver()
    private let state = Mutex(State())

    /// Adds a device to its group.
    /// - Parameter done: gets the group when it is complete.
    func complete(_ request: CompleteGroup, cancellation: Cancellation, _ done: @escaping Completion<CollectiveGroup>) {
        let request = CollectiveGroupTable.Request(
            key: request.groupKey, size: request.groupSize, member: request.member, rank: request.rank)
        LedGroups.start(cancellation, done) { [self] finish in
            resolver.join(request) { [self] result in
                if case .success(let group) = result { add(group) }
                finish(result)
            }
        }
    }

    private func add(_ group: CollectiveGroup) {
        let evicted = state.withLock { state -> [Led] in
            // A group may end before all members have their answers.
            guard state.groups.use(group.generation) == nil, state.ended.peek(group.key).map({ $0 < group.generation }) != false else { return [] }
            return state.groups.insert(group.generation, Led(group: group))
        }
        for led in evicted {
            let status = Status.resourceExhausted("The leader of collective group \(led.group.key) has too many groups").derived
            resolver.leave(led.group, status)
            for done in led.watchers.values { done(.failure(status)) }
        }
    }

    /// Returns the rank of the source of a broadcast, when all members have asked.
    func complete(_ request: CompleteInstance, cancellation: Cancellation, _ done: @escaping Completion<Int>) {
        let operation = request.operation
        guard let group = state.withLock({ $0.groups.use(request.generation) })?.group, group.key == operation.groupKey else {
            return done(
                .failure(.failedPrecondition("group \(operation.groupKey) not found. This normally means the server has restarted")))
        }
        guard let rank = group.rank(of: operation.device) else {
            return done(.failure(.invalidArgument("Device \(operation.device) is not a member of collective group \(group.key)")))
        }
        LedGroups.start(cancellation, done) { [resolver] finish in resolver.sourceRank(operation, in: group, rank: rank, finish) }
    }

    /// Starts an operation without cancellation, and ends early for a caller who cancels.
    private static func start<T: Sendable>(
        _ cancellation: Cancellation, _ done: @escaping Completion<T>, _ body: (@escaping Completion<T>) -> Void
    ) {
        let once = Once(done)
        let cancelled = Status.cancelled("The member no longer waits for its collective group").derived
        guard let token = cancellation.register({ once.finish(.failure(cancelled)) }) else { return once.finish(.failure(cancelled)) }
        body { result in
            cancellation.deregister(token)
            once.finish(result)
        }
    }

    /// Waits until a group ends.
    /// - Parameters:
    ///   - onLoss: called when the cancellation fires before: the task that watches is lost.
    ///   - done: gets the reason.
    func watch(
        _ request: WatchGroup, cancellation: Cancellation, onLoss: @escaping @Sendable (CollectiveGroup) -> Void,
        _ done: @escaping Completion<Void>
    ) {
        let once = Once(done)
        let added = state.withLock { state -> (number: Int, group: CollectiveGroup)? in
            guard var led = state.groups.use(request.generation), led.group.key == request.groupKey else { return nil }
            state.nextWatcher += 1
            led.watchers[state.nextWatcher] = once.finish
            _ = state.groups.insert(request.generation, led)
            return (state.nextWatcher, led.group)
        }
        guard let added else { return done(.failure(Status.aborted("Collective group \(request.groupKey) has ended").derived)) }
        let lose: @Sendable () -> Void = { [weak self] in
            guard let self, remove(added.number, of: added.group) else { return }
            once.finish(.failure(Status.cancelled("Task \(request.task) no longer watches collective group \(request.groupKey)").derived))
            onLoss(added.group)
        }
        if cancellation.register(lose) == nil { lose() }
    }

    /// - Returns: false if the group has ended.
    private func remove(_ watcher: Int, of group: CollectiveGroup) -> Bool {
        state.withLock { state in
            guard var led = state.groups.peek(group.generation) else { return false }
            led.watchers[watcher] = nil
            _ = state.groups.insert(group.generation, led)
            return true
        }
    }

    /// Whether this task leads this generation of a group.
    func leads(_ generation: UInt64, of key: Int) -> Bool { state.withLock { $0.groups.peek(generation)?.group.key == key } }

    /// Ends a group. Its members can form a new one.
    func end(_ generation: UInt64, _ status: Status) {
        let removed = state.withLock { state -> Led? in
            guard let led = state.groups.remove(generation) else { return nil }
            _ = state.ended.insert(led.group.key, generation)
            return led
        }
        guard let led = removed else { return }
        resolver.leave(led.group, status)
        for done in led.watchers.values { done(.failure(status)) }
    }

    /// Fails those who wait, when the task stops.
    func close(_ status: Status) {
        for led in state.withLock({ $0.groups.removeAll() }) {
            resolver.leave(led.group, status)
            for done in led.watchers.values { done(.failure(status)) }
        }
        resolver.close(status)
    }
}
