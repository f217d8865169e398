import Testing
import WeirGraph
import WeirRuntime
import WeirTensor

@testable import WeirCluster

@Suite("Which task leads the groups of collective operations, and what it knows")
struct GroupLeaderTests {
    private func member(_ task: Int, incarnation: UInt64 = 1) -> CollectiveGroup.Member {
        CollectiveGroup.Member(device: DeviceName(job: "worker", replica: 0, task: task, type: "CPU", index: 0), incarnation: incarnation)
    }
    private func join(_ led: LedGroups, _ task: Int, cancellation: Cancellation = Cancellation()) async throws(Status) -> CollectiveGroup {
        let result: Result<CollectiveGroup, Status> = await withCheckedContinuation { continuation in
            led.complete(CompleteGroup(groupKey: 3, groupSize: 2, member: member(task)), cancellation: cancellation) { continuation.resume(returning: $0) }
        }
        return try result.get()
    }
    private func group(_ led: LedGroups) async throws -> CollectiveGroup {
        async let first = join(led, 1)
        let second = try await join(led, 0)
        #expect(try await first == second)
        return second
    }

    @Test("the chief leads, else the first worker, else the first task")
    func defaults() throws {
        func leader(_ jobs: [String: [String]]) throws -> String { try ClusterSpec(jobs).groupLeader(named: "").description }
        #expect(try leader(["worker": ["a:1", "b:1"], "chief": ["c:1"], "ps": ["d:1"]]) == "/job:chief/replica:0/task:0")
        #expect(try leader(["worker": ["a:1", "b:1"], "ps": ["d:1"]]) == "/job:worker/replica:0/task:0")
        #expect(try leader(["trainer": ["a:1"], "ps": ["d:1"]]) == "/job:ps/replica:0/task:0")
        let spec = try ClusterSpec(["worker": [4: "a:1", 2: "b:1"]])
        #expect(try spec.groupLeader(named: "").task == 2)
        #expect(try spec.groupLeader(named: "/job:worker/task:4").description == "/job:worker/replica:0/task:4")
        for name in ["/job:worker/task:0", "/job:ps/task:0", "worker", "/job:worker"] {
            #expect(throws: Status.self) { try spec.groupLeader(named: name) }
        }
    }

    @Test("members are in the order of their tasks, and a watcher learns why the group ends")
    func watch() async throws {
        let led = LedGroups()
        let group = try await group(led)
        #expect(group.members == [member(0), member(1)])
        #expect(led.leads(group.generation, of: 3) && !led.leads(group.generation, of: 4))
        let ended = Event<Status>()
        let request = WatchGroup(groupKey: 3, generation: group.generation, task: DeviceName(job: "worker", replica: 0, task: 1))
        led.watch(request, cancellation: Cancellation(), onLoss: { _ in Issue.record("the task is not lost") }) { result in
            if case .failure(let status) = result { ended.happen(status) }
        }
        led.end(group.generation, .dataLoss("reason"))
        #expect(try await ended.next() == .dataLoss("reason"))
        #expect(!led.leads(group.generation, of: 3))
        // The members can form a new group, of a later generation.
        #expect(try await self.group(led).generation > group.generation)
    }

    @Test("a task that watches and is lost is reported once; a group that has ended cannot be watched")
    func loss() async throws {
        let led = LedGroups()
        let group = try await group(led)
        let lost = Event<CollectiveGroup>()
        let cancellation = Cancellation()
        let request = WatchGroup(groupKey: 3, generation: group.generation, task: DeviceName(job: "worker", replica: 0, task: 1))
        led.watch(request, cancellation: cancellation, onLoss: { lost.happen($0) }) { _ in }
        cancellation.cancel()
        #expect(try await lost.next() == group)
        led.end(group.generation, .unavailable("lost"))
        let ended = Event<Status>()
        led.watch(request, cancellation: Cancellation(), onLoss: { _ in }) { result in
            if case .failure(let status) = result { ended.happen(status) }
        }
        #expect(try await ended.next().code == .aborted)
    }

    @Test("a broadcast in a group that the leader does not know is an error, as is one of a stranger")
    func broadcasts() async throws {
        let led = LedGroups()
        let group = try await group(led)
        func ask(_ task: Int, _ generation: UInt64, isSource: Bool) async -> Result<Int, Status> {
            let operation = CollectiveOperation(
                .broadcast(isSource: isSource), groupKey: 3, groupSize: 2, instanceKey: 5, dtype: .float32, shape: [2],
                device: member(task).device, name: "b")
            return await withCheckedContinuation { continuation in
                led.complete(CompleteInstance(operation, generation: generation), cancellation: Cancellation()) { continuation.resume(returning: $0) }
            }
        }
        async let receiver = ask(0, group.generation, isSource: false)
        #expect(await ask(1, group.generation, isSource: true) == .success(1))
        #expect(await receiver == .success(1))
        guard case .failure(let unknown) = await ask(0, group.generation + 1, isSource: true) else { throw Status.unknown("expected a failure") }
        #expect(unknown.code == .failedPrecondition)
        guard case .failure(let stranger) = await ask(7, group.generation, isSource: true) else { throw Status.unknown("expected a failure") }
        #expect(stranger.code == .invalidArgument)
    }

    @Test("a sequence of step ids goes on after a success and begins anew after a failure")
    func sequences() throws {
        let sequences = StepSequences()
        #expect(sequences.known(1) == nil)
        let first = try #require(sequences.ids([1, 2])[1])
        #expect(sequences.ids([1]) == [1: first])
        sequences.retire(1, first)
        #expect(sequences.known(1) == first + 1)
        sequences.retire(1, first)
        #expect(sequences.known(1) == nil)
        sequences.update(1, (1 << 57) - 1)
        sequences.retire(1, (1 << 57) - 1)
        #expect(sequences.known(1) == 0)
        sequences.invalidate(1)
        #expect(sequences.known(1) == nil && sequences.known(2) != nil)
    }
}
