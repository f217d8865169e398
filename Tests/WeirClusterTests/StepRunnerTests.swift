import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("Steps of a master's session", .timeLimit(.minutes(1)))
struct StepRunnerTests {
    private let runner = StepRunner(session: "s", metrics: ServerMetrics.disabled.steps)
    private let result = Event<Result<RunStepReply, Status>>()

    private func plan(_ worker: FakeWorker) throws -> StepPlan {
        let part = StepPlan.Part(task: FakeWorker.device.name.taskName, worker: worker, handle: "h", isClient: true)
        return StepPlan(
            parts: [part], graph: try GraphBuilder(registry: .standard).graph(), feedKeys: ["x:0": "key of x"], fetchKeys: ["y:0": "key of y"],
            feedTypes: ["x:0": .float32])
    }
    /// A worker whose steps run until they are cancelled.
    private func waitingWorker(_ begun: Event<Void>) -> FakeWorker {
        FakeWorker(onRunGraph: { _, cancellation, done in
            let status = Status.cancelled("RunGraph was cancelled").derived
            if cancellation.register({ done(.failure(status)) }) == nil { done(.failure(status)) }
            begun.happen()
        })
    }
    private func run(_ request: RunStep, _ plan: StepPlan, cancellation: Cancellation = Cancellation(), timeout: Duration? = nil) async throws -> RunStepReply {
        runner.run(request, plan, cancellation: cancellation, timeout: timeout) { [result] in result.happen($0) }
        return try await result.next().get()
    }
    private func failure(_ body: () async throws -> RunStepReply) async -> Status? {
        do {
            _ = try await body()
            return nil
        } catch {
            return Status(error)
        }
    }

    @Test("feeds and fetches are sent and received under their rendezvous keys")
    func keys() async throws {
        let worker = FakeWorker(onRunGraph: { call, _, done in
            #expect(call.sends.map(\.name) == ["key of x"] && call.receives == ["key of y"] && call.graph == "h" && call.session == "s")
            done(.success(RunGraphReply(received: [NamedTensor("key of y", call.sends[0].tensor)])))
        })
        let request = RunStep(session: "s", feeds: [NamedTensor("x:0", Tensor(Float(3)))], fetches: ["y:0"])
        let reply = try await run(request, plan(worker))
        #expect(reply.tensors.map(\.name) == ["y:0"] && reply.metadata == nil)
        #expect(try reply.tensors[0].tensor.scalar(of: Float.self) == 3)
        #expect(!runner.isBusy)
    }

    @Test("a feed of the wrong dtype and a fetch that no task returns are errors")
    func wrongTensors() async throws {
        let plan = try plan(FakeWorker())
        let feed = RunStep(session: "s", feeds: [NamedTensor("x:0", Tensor(Double(3)))])
        #expect(await failure { try await run(feed, plan) }?.code == .invalidArgument)
        #expect(await failure { try await run(RunStep(session: "s", fetches: ["y:0"]), plan) }?.code == .internalError)
    }

    @Test("closing the session cancels running steps and rejects new ones")
    func closing() async throws {
        let begun = Event<Void>()
        let plan = try plan(waitingWorker(begun))
        runner.run(RunStep(session: "s"), plan, cancellation: Cancellation(), timeout: nil) { [result] in result.happen($0) }
        try await begun.next()
        #expect(runner.isBusy)
        runner.close()
        let status = await failure { try await result.next().get() }
        #expect(status?.code == .cancelled && status?.message.contains("Session::Close()") == true)
        #expect(!runner.isBusy)
        #expect(await failure { try await run(RunStep(session: "s"), plan) }?.code == .failedPrecondition)
        #expect(throws: Status.self) { try runner.checkOpen() }
    }

    @Test("a step that exceeds its timeout fails with DEADLINE_EXCEEDED")
    func timeout() async throws {
        let plan = try plan(waitingWorker(Event<Void>()))
        let status = await failure { try await run(RunStep(session: "s"), plan, timeout: .milliseconds(20)) }
        #expect(status?.code == .deadlineExceeded)
    }

    @Test("a step whose client has cancelled it already starts on no task")
    func cancelled() async throws {
        let cancellation = Cancellation()
        cancellation.cancel()
        let plan = try plan(
            FakeWorker(onRunGraph: { _, _, done in
                Issue.record("the step must not run")
                done(.success(RunGraphReply()))
            }))
        #expect(await failure { try await run(RunStep(session: "s"), plan, cancellation: cancellation) }?.code == .cancelled)
        #expect(!runner.isBusy)
    }
}
