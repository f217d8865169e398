import Synchronization
import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("Compiled steps", .timeLimit(.minutes(5)))
struct PlanCacheTests {
    private let worker = FakeWorker()
    private let task = DeviceName(job: "ps", replica: 0, task: 0)
    private static let graph = Result { try GraphBuilder(registry: .standard).graph() }

    private func key(_ number: Int) -> StepPlan.Key { StepPlan.Key(feeds: [], fetches: ["n\(number):0"], targets: []) }
    private func plan(_ number: Int) throws -> StepPlan {
        let part = StepPlan.Part(task: task, worker: worker, handle: "\(number)", isClient: false)
        return StepPlan(
            parts: [part], graph: try PlanCacheTests.graph.get(), feedKeys: [:], fetchKeys: [:], feedTypes: [:], session: "s")
    }

    @Test("concurrent requests share one compilation, and a failed one is retried")
    func once() async throws {
        let cache = PlanCache(), compiled = Mutex(0), gate = Event<Void>()
        let compile: @Sendable () async throws -> StepPlan = {
            let number = compiled.withLock { count in
                count += 1
                return count
            }
            try await gate.next()
            if number == 1 { throw Status.unavailable("not yet") }
            return try plan(number)
        }
        let first = Task { try await cache.plan(key(0), compile: compile) }
        let second = Task { try await cache.plan(key(0), compile: compile) }
        while compiled.withLock({ $0 }) == 0 { await Task.yield() }
        gate.happen()
        await #expect(throws: Status.self) { try await first.value }
        // May start a new compilation before the second task gets the failure; the second still gets it.
        let third = Task { try await cache.plan(key(0), compile: compile) }
        while compiled.withLock({ $0 }) == 1 { await Task.yield() }
        await #expect(throws: Status.self) { try await second.value }
        let fourth = Task { try await cache.plan(key(0), compile: compile) }
        gate.happen()
        let found = try await third.value
        #expect(try await fourth.value === found)
        #expect(cache.ready(key(0)) === found)
        #expect(compiled.withLock { $0 } == 2)
    }

    @Test("a compilation continues when its waiter is cancelled")
    func leaving() async throws {
        let cache = PlanCache(), gate = Event<Void>(), cancellation = Cancellation(), begun = Event<Void>()
        let waiting = Task {
            try await cache.plan(key(0), until: cancellation) {
                begun.happen()
                try await gate.next()
                return try plan(0)
            }
        }
        try await begun.next()
        cancellation.cancel()
        await #expect(throws: Status.self) { try await waiting.value }
        gate.happen()
        while cache.ready(key(0)) == nil { await Task.yield() }
    }

    @Test("of 100,000 plans 1,000 are kept; the tasks deregister the graphs of the others")
    func eviction() async throws {
        let cache = PlanCache(capacity: 1000)
        // A step that still runs when its plan is evicted.
        let running = Mutex<StepPlan?>(try await cache.plan(key(0)) { try plan(0) })
        for number in 1..<100_000 {
            _ = try await cache.plan(key(number)) { try plan(number) }
            // Used in each iteration, so never evicted.
            #expect(cache.ready(key(1)) != nil)
        }
        #expect(cache.count == 1000)
        #expect(cache.ready(key(0)) == nil && cache.ready(key(99_999)) != nil)
        var gone: Set<String> = []
        for _ in 0..<98_999 { gone.insert(try await worker.deregistered.next()) }
        #expect(gone.count == 98_999 && !gone.contains("0") && !gone.contains("1") && !gone.contains("99999"))
        running.withLock { $0 = nil }
        #expect(try await worker.deregistered.next() == "0")
    }
}
