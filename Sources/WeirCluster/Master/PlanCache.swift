import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// Compiled steps by what they feed, fetch and run. Each is compiled once; whoever asks meanwhile waits for the same.
///
/// A client may ask for other tensors in every step. So many plans are kept, those that were used last; what is asked
/// for again later is compiled again.
final class PlanCache: Sendable {
    private enum Entry {
        case compiling(Int, Task<StepPlan, any Error>)
        case ready(StepPlan)
    }
    private struct State {
        var entries: LRUCache<StepPlan.Key, Entry>
        /// Tells one compilation of a step from the next.
        var next = 0
    }
    private let state: Mutex<State>

    /// - Parameter nodeCount: the nodes of all plans together, each of which takes a kilobyte or so on every task.
    init(capacity: Int = 1000, nodeCount: Int = 4_000_000) {
        state = Mutex(State(entries: LRUCache(capacity: capacity, weight: nodeCount)))
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// The plan, if it is compiled.
    func ready(_ key: StepPlan.Key) -> StepPlan? {
        state.withLock { state in if case .ready(let plan)? = state.entries.use(key) { plan } else { nil } }
    }

    /// The plan, compiled by `compile` if nobody has yet. What failed to compile is tried again by the next who asks.
    /// - Parameter cancellation: ends this wait; others may go on to wait for the same.
    func plan(
        _ key: StepPlan.Key, until cancellation: Cancellation = Cancellation(), compile: @escaping @Sendable () async throws -> StepPlan
    ) async throws -> StepPlan {
        let (task, gone) = state.withLock { state -> (Task<StepPlan, any Error>, [Entry]) in
            switch state.entries.use(key) {
            case .ready(let plan)?: return (Task { plan }, [])
            case .compiling(_, let task)?: return (task, [])
            case nil:
                state.next += 1
                let number = state.next
                let task = Task { [weak self] in
                    do {
                        let plan = try await compile()
                        self?.settle(key, number, plan)
                        return plan
                    } catch {
                        self?.settle(key, number, nil)
                        throw error
                    }
                }
                return (task, state.entries.insert(key, .compiling(number, task), weight: 0))
            }
        }
        PlanCache.evict(gone)
        return try await withCheckedThrowingContinuation { continuation in
            let once = Once<StepPlan> { continuation.resume(with: $0) }
            let token = cancellation.register { once.finish(.failure(Status.cancelled("RunStep was cancelled while its graph was prepared"))) }
            Task {
                let result: Result<StepPlan, Status>
                do { result = .success(try await task.value) } catch { result = .failure(Status(error)) }
                if let token { cancellation.deregister(token) }
                once.finish(result)
            }
            if token == nil { once.finish(.failure(Status.cancelled("RunStep was cancelled before it began"))) }
        }
    }

    /// Takes what a compilation came to, unless its entry has gone or is another's by now.
    private func settle(_ key: StepPlan.Key, _ number: Int, _ plan: StepPlan?) {
        let gone = state.withLock { state -> [Entry] in
            guard case .compiling(number, _)? = state.entries.peek(key) else { return plan.map { [.ready($0)] } ?? [] }
            guard let plan else {
                state.entries.remove(key)
                return []
            }
            return state.entries.insert(key, .ready(plan), weight: plan.graph.nodes.count)
        }
        PlanCache.evict(gone)
    }

    private static func evict(_ entries: [Entry]) {
        for case .ready(let plan) in entries { plan.deregisterWhenUnused() }
    }
}
