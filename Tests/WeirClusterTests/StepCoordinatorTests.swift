import Synchronization
import Testing
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("One step on several tasks", .timeLimit(.minutes(1)))
struct StepCoordinatorTests {
    /// A task whose partition ends when the test says, or on cancellation.
    private final class Part: Sendable {
        let done = Mutex<Completion<RunGraphReply>?>(nil)
        let cancelled = Event<Void>()
        let endsWhenCancelled: Bool
        init(endsWhenCancelled: Bool = true) { self.endsWhenCancelled = endsWhenCancelled }
        var worker: FakeWorker {
            FakeWorker(onRunGraph: { [self] _, cancellation, done in
                self.done.withLock { $0 = done }
                _ = cancellation.register { [self] in
                    cancelled.happen()
                    if endsWhenCancelled { end(.failure(Status.cancelled("Step was cancelled").derived)) }
                }
            })
        }
        func end(_ result: Result<RunGraphReply, Status>) {
            done.withLock { done in
                defer { done = nil }
                return done
            }?(result)
        }
    }
    private func start(
        _ parts: [Part], cancellation: Cancellation = Cancellation(), causeDelay: Duration = .seconds(3600)
    ) throws -> (coordinator: StepCoordinator, result: Event<Result<[RunGraphReply], Status>>) {
        let plan = StepPlan(
            parts: parts.enumerated().map { index, part in
                StepPlan.Part(task: DeviceName(job: "ps", replica: 0, task: index), worker: part.worker, handle: "h", isClient: index == 0)
            },
            graph: try GraphBuilder(registry: .standard).graph(), feedKeys: [:], fetchKeys: [:], feedTypes: [:])
        let result = Event<Result<[RunGraphReply], Status>>()
        let coordinator = StepCoordinator(plan, cancellation: cancellation, causeDelay: causeDelay) { result.happen($0) }
        coordinator.run(RunGraph(session: "s", graph: "", step: 1))
        return (coordinator, result)
    }
    private func failure(_ result: Result<[RunGraphReply], Status>) -> Status? {
        if case .failure(let status) = result { status } else { nil }
    }

    @Test("the root cause is returned, even if derived statuses arrive first")
    func cause() async throws {
        let parts = (0..<3).map { _ in Part() }
        let (_, result) = try start(parts)
        parts[0].end(.failure(Status.cancelled("RecvTensor was cancelled").derived))
        parts[1].end(.failure(.invalidArgument("the cause")))
        // The remaining task is cancelled.
        try await parts[2].cancelled.next()
        let status = failure(try await result.next())
        #expect(status?.code == .invalidArgument)
        #expect(status?.message == "From /job:ps/replica:0/task:1:\nthe cause")
    }

    @Test("if no root cause arrives in time, the most informative derived status is returned")
    func fallout() async throws {
        let parts = (0..<3).map { _ in Part() }
        let (_, result) = try start(parts, causeDelay: .milliseconds(1))
        parts[0].end(.failure(Status.cancelled("RecvTensor was cancelled").derived))
        parts[1].end(.failure(Status.outOfRange("the cause").derived))
        let status = failure(try await result.next())
        #expect(status?.code == .outOfRange && status?.message == "the cause")
    }

    @Test("a silent task is named, and delays the step only for the limit")
    func silence() async throws {
        let parts = [Part(), Part(endsWhenCancelled: false)]
        let (coordinator, result) = try start(parts)
        coordinator.end(within: .milliseconds(1))
        let status = failure(try await result.next())
        #expect(status?.message.hasPrefix("Task /job:ps/replica:0/task:1 has not answered for ") == true)
        #expect(status?.message.hasSuffix("\nStep was cancelled") == true)
        // A late reply is ignored.
        parts[1].end(.success(RunGraphReply()))
    }

    @Test("a failure is returned even if another task is silent")
    func failureBesideSilence() async throws {
        let parts = [Part(), Part(endsWhenCancelled: false)]
        let (coordinator, result) = try start(parts)
        parts[0].end(.failure(.invalidArgument("the cause")))
        try await parts[1].cancelled.next()
        coordinator.end(within: .milliseconds(1))
        #expect(failure(try await result.next())?.message == "From /job:ps/replica:0/task:0:\nthe cause")
    }

    @Test("a step that is cancelled before it starts runs nothing")
    func cancelled() async throws {
        let cancellation = Cancellation()
        cancellation.cancel()
        let part = Part()
        let (_, result) = try start([part], cancellation: cancellation)
        #expect(failure(try await result.next())?.code == .cancelled)
        #expect(part.done.withLock { $0 == nil })
    }
}
