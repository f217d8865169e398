import Synchronization
import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("Partial runs of a master's session", .timeLimit(.minutes(1)))
struct PartialRunsTests {
    private let runner = StepRunner(session: "s", metrics: ServerMetrics.disabled.steps)
    private let runs: PartialRuns
    private let result = Event<Result<RunStepReply, Status>>()

    init() { runs = PartialRuns(session: "s", runner: runner) }

    private func plan(_ worker: FakeWorker) throws -> StepPlan {
        let part = StepPlan.Part(task: FakeWorker.device.name.taskName, worker: worker, handle: "h", isClient: true)
        let keys = ["a:0": "key of a", "b:0": "key of b"]
        return StepPlan(
            parts: [part], graph: try GraphBuilder(registry: .standard).graph(), feedKeys: keys, fetchKeys: ["y:0": "key of y"],
            feedTypes: keys.mapValues { _ in .float32 })
    }
    private func begin(_ plan: StepPlan) throws -> String {
        let feeds = ["a:0", "b:0"].map { NamedTensor($0, Tensor(Float(0))) }
        return try runs.begin(RunStep(session: "s", feeds: feeds, fetches: ["y:0"]), plan)
    }
    /// Runs a call and returns the failure, if any.
    private func call(_ handle: String, feeds: [String] = [], fetches: [String] = []) async throws -> Status? {
        var request = RunStep(session: "s", feeds: feeds.map { NamedTensor($0, Tensor(Float(1))) }, fetches: fetches)
        request.partialRunHandle = handle
        runs.run(request, cancellation: Cancellation(), timeout: nil) { [result] in result.happen($0) }
        if case .failure(let status) = try await result.next() { return status }
        return nil
    }

    @Test("all calls of a run have one step id, and the call that has the last feed and fetch is the last")
    func calls() async throws {
        let calls = Mutex<[RunGraph]>([])
        let worker = FakeWorker(onRunGraph: { call, _, done in
            calls.withLock { $0.append(call) }
            done(.success(RunGraphReply(received: call.receives.map { NamedTensor($0, Tensor(Float(2))) })))
        })
        let handle = try begin(plan(worker))
        #expect(try await call(handle, feeds: ["a:0"]) == nil)
        #expect(try await call(handle, feeds: ["b:0"], fetches: ["y:0"]) == nil)
        let made = calls.withLock { $0 }
        #expect(made.count == 2 && Set(made.map(\.step)).count == 1)
        #expect(made.allSatisfy(\.isPartial) && made.map(\.isLastPartial) == [false, true])
        #expect(try await call(handle)?.message == "Must run PartialRunSetup before performing partial runs")
    }

    @Test("a tensor is fed once, and only if it was set up")
    func repeated() async throws {
        let handle = try begin(plan(FakeWorker()))
        #expect(try await call(handle, feeds: ["a:0"]) == nil)
        #expect(try await call(handle, feeds: ["a:0"])?.message == "The feed a:0 has already been fed.")
        #expect(try await call(handle, feeds: ["c:0"])?.message == "The feed c:0 was not specified in partial_run_setup.")
        #expect(try await call(handle, fetches: ["z:0"])?.message == "The fetch z:0 was not specified in partial_run_setup.")
        // A rejected call does not end the run.
        #expect(try await call(handle, feeds: ["b:0"]) == nil)
    }

    @Test("a call that fails on a task ends the run")
    func failing() async throws {
        let handle = try begin(plan(FakeWorker(onRunGraph: { _, _, done in done(.failure(.outOfRange("no more"))) })))
        #expect(try await call(handle, feeds: ["a:0"])?.code == .outOfRange)
        #expect(try await call(handle, feeds: ["b:0"])?.code == .invalidArgument)
    }

    @Test("after closing there are no runs and no new ones")
    func closing() async throws {
        let plan = try plan(FakeWorker())
        let handle = try begin(plan)
        runs.close()
        #expect(try await call(handle, feeds: ["a:0"])?.code == .failedPrecondition)
        #expect(throws: Status.self) { try begin(plan) }
    }
}
