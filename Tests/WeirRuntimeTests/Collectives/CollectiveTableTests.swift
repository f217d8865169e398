import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

/// The states behind groups and messages.
@Suite("Groups and messages of collective operations")
struct CollectiveTableTests {
    private func request(_ key: Int, size: Int, _ task: Int, type: String = "CPU", incarnation: UInt64 = 1, rank: Int? = nil) -> CollectiveGroupTable.Request {
        let device = DeviceName(job: "worker", replica: 0, task: task, type: type, index: 0)
        return CollectiveGroupTable.Request(key: key, size: size, member: CollectiveGroup.Member(device: device, incarnation: incarnation), rank: rank)
    }
    private func join(_ table: inout CollectiveGroupTable, _ request: CollectiveGroupTable.Request) -> [Result<CollectiveGroup, Status>] {
        table.join(request) { _ in }.map(\.result)
    }

    @Test("a group is complete with its last member; ranks follow the names, not the order of requests")
    func complete() throws {
        var table = CollectiveGroupTable(after: 10)
        #expect(join(&table, request(1, size: 3, 10)).isEmpty)
        #expect(join(&table, request(1, size: 3, 2)).isEmpty)
        #expect(join(&table, request(1, size: 3, 2)).isEmpty, "a request may be repeated")
        let answers = join(&table, request(1, size: 3, 0))
        #expect(answers.count == 4)
        let group = try #require(answers.first).get()
        #expect(group.members.map(\.device.task) == [0, 2, 10] && group.generation == 11)
        #expect(try join(&table, request(1, size: 3, 2)).map { try $0.get() } == [group])
    }

    @Test("a disagreement fails all who wait; a stranger fails alone")
    func disagreement() throws {
        var table = CollectiveGroupTable(after: 0)
        _ = join(&table, request(1, size: 2, 0))
        let failures = join(&table, request(1, size: 3, 1))
        #expect(failures.count == 2 && failures.allSatisfy { (try? $0.get()) == nil })
        _ = join(&table, request(1, size: 2, 0))
        #expect(join(&table, request(1, size: 2, 1, type: "GPU")).count == 2)
        #expect(table.count == 0)
        _ = join(&table, request(1, size: 2, 0))
        #expect(join(&table, request(1, size: 2, 1)).count == 2)
        let stranger = join(&table, request(1, size: 2, 2))
        #expect(stranger.count == 1)
        #expect(throws: Status.self) { try stranger[0].get() }
        #expect(try join(&table, request(1, size: 2, 0)).count == 1)
    }

    @Test("a restarted task, or a group that was left, begins a new generation")
    func generations() throws {
        var table = CollectiveGroupTable(after: 0)
        _ = join(&table, request(1, size: 2, 0))
        let first = try join(&table, request(1, size: 2, 1))[0].get()
        #expect(join(&table, request(1, size: 2, 1, incarnation: 2)).isEmpty)
        let second = try join(&table, request(1, size: 2, 0))[0].get()
        #expect(second.generation > first.generation && second.members[1].incarnation == 2)
        table.leave(first)
        #expect(table.count == 1, "an old generation is left without effect")
        table.leave(second)
        #expect(table.count == 0)
    }

    @Test("ranks that are asked for must be all there, once")
    func ranks() throws {
        var table = CollectiveGroupTable(after: 0)
        _ = join(&table, request(1, size: 2, 0, rank: 1))
        #expect(try join(&table, request(1, size: 2, 1, rank: 0))[0].get().members.map(\.device.task) == [1, 0])
        for ranks in [[1, 1], [0, nil], [0, 2]] as [[Int?]] {
            _ = join(&table, request(2, size: 2, 0, rank: ranks[0]))
            let answers = join(&table, request(2, size: 2, 1, rank: ranks[1]))
            #expect(answers.count == 2 && answers.allSatisfy { (try? $0.get()) == nil })
        }
    }

    @Test("the number of groups is bounded: complete ones make room, incomplete ones do not")
    func bounded() {
        var table = CollectiveGroupTable(after: 0)
        for key in 0..<CollectiveGroupTable.maximumCount + 10 { #expect(join(&table, request(key, size: 1, 0)).count == 1) }
        #expect(table.count == CollectiveGroupTable.maximumCount)
        var waiting = CollectiveGroupTable(after: 0)
        for key in 0..<CollectiveGroupTable.maximumCount { _ = join(&waiting, request(key, size: 2, 0)) }
        let refused = join(&waiting, request(-1, size: 2, 0))
        #expect(refused.count == 1)
        #expect(throws: Status.self) { try refused[0].get() }
    }

    private let run = CollectiveRun(group: 1, generation: 5, instance: 1, number: 0)
    private var key: CollectiveKey { CollectiveKey(run: run, source: 0, destination: 1, part: 3) }
    private let member = CollectiveGroup.Member(device: DeviceName(), incarnation: 1)
    private var group: CollectiveGroup { CollectiveGroup(key: 1, members: [member], generation: 5) }

    @Test("a tensor and its receiver meet in either order", arguments: [true, false])
    func orders(_ isSentFirst: Bool) throws {
        let transport = LocalCollectiveTransport()
        let received = BlockingCompletion<Tensor>(), sent = BlockingCompletion<Void>()
        func send() { transport.send(Tensor([1, 2] as [Float]), key, to: member) { sent.finish($0.map { .failure($0) } ?? .success(())) } }
        if isSentFirst { send() }
        transport.receive(key, from: member, byteCount: 8, cancellation: Cancellation()) { received.finish($0) }
        if !isSentFirst { send() }
        #expect(try received.wait().get().array(of: Float.self) == [1, 2])
        try sent.wait().get()
        #expect(transport.waitingCount == 0)
    }

    @Test("a tensor of another size fails both ends")
    func wrongSize() {
        let transport = LocalCollectiveTransport()
        let received = BlockingCompletion<Tensor>(), sent = BlockingCompletion<Void>()
        transport.receive(key, from: member, byteCount: 4, cancellation: Cancellation()) { received.finish($0) }
        transport.send(Tensor([1, 2] as [Float]), key, to: member) { sent.finish($0.map { .failure($0) } ?? .success(())) }
        #expect(received.failure()?.code == .invalidArgument && sent.failure()?.code == .invalidArgument)
    }

    @Test("a cancelled receive ends, and leaves nothing")
    func cancelledReceive() {
        let transport = LocalCollectiveTransport()
        let received = BlockingCompletion<Tensor>(), cancellation = Cancellation()
        transport.receive(key, from: member, byteCount: 4, cancellation: cancellation) { received.finish($0) }
        cancellation.cancel()
        #expect(received.failure()?.code == .cancelled && transport.waitingCount == 0)
        let again = BlockingCompletion<Tensor>()
        transport.receive(key, from: member, byteCount: 4, cancellation: cancellation) { again.finish($0) }
        #expect(again.failure()?.code == .cancelled && transport.waitingCount == 0)
    }

    @Test("an ended generation fails what waits and what comes, and the next one works")
    func ended() throws {
        let transport = LocalCollectiveTransport()
        let received = BlockingCompletion<Tensor>(), sent = BlockingCompletion<Void>()
        let other = CollectiveKey(run: run, source: 1, destination: 0, part: 3)
        transport.receive(key, from: member, byteCount: 4, cancellation: Cancellation()) { received.finish($0) }
        transport.send(Tensor(Float(1)), other, to: member) { sent.finish($0.map { .failure($0) } ?? .success(())) }
        transport.abort(run, group, .unavailable("lost"))
        transport.abort(run, group, .internalError("later"))
        #expect(received.failure()?.code == .unavailable && sent.failure()?.code == .unavailable)
        let late = BlockingCompletion<Tensor>()
        transport.receive(key, from: member, byteCount: 4, cancellation: Cancellation()) { late.finish($0) }
        #expect(late.failure()?.code == .unavailable && transport.waitingCount == 0)
        let next = CollectiveKey(run: CollectiveRun(group: 1, generation: 6, instance: 1, number: 0), source: 0, destination: 1, part: 3)
        let works = BlockingCompletion<Tensor>()
        transport.receive(next, from: member, byteCount: 4, cancellation: Cancellation()) { works.finish($0) }
        transport.send(Tensor(Float(1)), next, to: member) { _ in }
        #expect(try works.wait().get().scalar(of: Float.self) == 1)
    }
}
