import Synchronization
import WeirGraph
import WeirRuntime
import WeirTensor

/// The compiled steps of a session by feeds, fetches and targets. Concurrent requests for one plan share its compilation.
///
/// A client may run a new kind of step each time, so the number of plans is limited. The least recently used ones are evicted,
/// and compiled again when they are needed.
final class PlanCache: Sendable {
    private enum Entry {
        /// The compilation with this number.
        case compiling(Int, Task<StepPlan, any Error>)
        case ready(StepPlan)
    }
    private struct State {
        var entries: LRUCache<StepPlan.Key, Entry>
        /// The number of compilations so far.
        var compilations = 0
    }
    private let state: Mutex<State>

    /// - Parameters:
    ///   - capacity: the maximum number of plans.
    ///   - nodeCount: the maximum number of nodes of all plans together. A node takes about a kilobyte on every task.
    init(capacity: Int = 1000, nodeCount: Int = 4_000_000) {
        state = Mutex(State(entries: LRUCache(capacity: capacity, weight: nodeCount)))
    }

    var count: Int { state.withLock { $0.entries.count } }

    /// Returns the plan if it is compiled.
    func ready(_ key: StepPlan.Key) -> StepPlan? {
        state.withLock { state in if case .ready(let plan)? = state.entries.use(key) { plan } else { nil } }
    }

    /// Returns the plan. Compiles it if it is neither compiled nor being compiled. A plan whose compilation failed is compiled
    /// again by the next call.
    /// - Parameter cancellation: ends this call. The compilation continues for other callers.
    func plan(
        _ key: StepPlan.Key, until cancellation: Cancellation = Cancellation(), compile: @escaping @Sendable () async throws -> StepPlan
    ) async throws -> StepPlan {
        let (task, evicted) = state.withLock { state -> (Task<StepPlan, any Error>, [Entry]) in
            switch state.entries.use(key) {
            case .ready(let plan)?: return (Task { plan }, [])
            case .compiling(_, let task)?: return (task, [])
            case nil:
                state.compilations += 1
                let number = state.compilations
                let task = Task { [weak self] in
                    do {
                        let plan = try await compile()
                        self?.finish(number, key, plan)
                        return plan
                    } catch {
                        self?.finish(number, key, nil)
                        throw error
                    }
                }
                return (task, state.entries.insert(key, .compiling(number, task), weight: 0))
            }
        }
        PlanCache.deregister(evicted)
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

    /// Stores the plan of a compilation, unless the entry was evicted or belongs to a later compilation.
    /// - Parameter plan: nil if the compilation failed.
    private func finish(_ compilation: Int, _ key: StepPlan.Key, _ plan: StepPlan?) {
        let evicted = state.withLock { state -> [Entry] in
            guard case .compiling(compilation, _)? = state.entries.peek(key) else { return plan.map { [.ready($0)] } ?? [] }
            guard let plan else {
                state.entries.remove(key)
                return []
            }
            return state.entries.insert(key, .ready(plan), weight: plan.graph.nodes.count)
        }
        PlanCache.deregister(evicted)
    }

    private static func deregister(_ entries: [Entry]) {
        for case .ready(let plan) in entries { plan.deregisterWhenUnused() }
    }
}
