import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

/// Groups of members that share nothing but a resolver and a transport: results, failures, and the steps after failures.
@Suite("Collective operations of several members", .timeLimit(.minutes(2)))
struct CollectiveRunnerTests {
    private func tensor(_ rank: Int, _ count: Int) -> Tensor { Tensor((0..<count).map { Float(rank * 1000 + $0 % 1000) }) }

    /// Whether the group works.
    private func works(_ group: CollectiveMembers, instance: Int = 1) throws -> Bool {
        let count = group.runners.count
        let results = try group.run(.reduce(.init(.add)), (0..<count).map { Tensor(Float(1 << $0)) }, instance: instance)
        return try results.allSatisfy { try $0.scalar(of: Float.self) == Float(1 << count - 1) }
    }

    @Test("a process can be in any number of groups one after another, and a group that it has left forms anew for all members")
    func manyGroups() throws {
        let members = CollectiveMembers(2)
        func sum(_ key: Int) throws -> [Float] {
            let waiting = (0..<2).map { rank in
                var operation = members.operation(.reduce(.init(.add)), rank: rank)
                operation.groupKey = key
                return members.start(operation, rank: rank, Tensor(Float(rank + key)))
            }
            return try waiting.map { try $0.wait().get().scalar(of: Float.self) }
        }
        let last = CollectiveRunTable.maximumGroupCount + 3
        for key in 1...last { #expect(try sum(key) == [Float(2 * key + 1), Float(2 * key + 1)]) }
        for key in [1, 2, last, 1] { #expect(try sum(key) == [Float(2 * key + 1), Float(2 * key + 1)]) }
    }

    @Test("a gather joins the tensors in the order of ranks", arguments: 1...9, [0, 2, 70_000])
    func gather(_ members: Int, _ count: Int) throws {
        let group = CollectiveMembers(members)
        let inputs = (0..<members).map { _ in Tensor((0..<count).map { Float($0) }, ofShape: [count / 2, 2]) }
        let results = try group.run(.gather, inputs)
        for result in results {
            #expect(result.shape == Shape(members * (count / 2), 2))
            #expect(try result.array(of: Float.self) == (0..<members).flatMap { _ in (0..<count).map { Float($0) } })
        }
        #expect(group.transport.waitingCount == 0)
    }

    @Test("a broadcast gives all the source's tensor, in the first run and later", arguments: 1...9, [1, 70_000])
    func broadcast(_ members: Int, _ count: Int) throws {
        let group = CollectiveMembers(members)
        let source = members / 2, tensor = tensor(3, count)
        for _ in 0..<3 {
            let waiting = (0..<members).map { rank in
                group.start(
                    group.operation(.broadcast(isSource: rank == source), rank: rank, shape: tensor.shape), rank: rank, rank == source ? tensor : nil)
            }
            for one in waiting { #expect(try one.wait().get().array(of: Float.self) == tensor.array(of: Float.self)) }
        }
    }

    @Test("the parts of an exchange and of a reduction that scatters go where they belong", arguments: [1, 2, 3, 4, 5, 8], [1, 30_000])
    func parts(_ members: Int, _ count: Int) throws {
        let group = CollectiveMembers(members)
        let inputs = (0..<members).map { rank in Tensor((0..<count * members).map { Int32(rank * 100 + $0 / count) }) }
        for (rank, result) in try group.run(.allToAll, inputs, instance: 1).enumerated() {
            #expect(try result.array(of: Int32.self) == (0..<members).flatMap { [Int32](repeating: Int32($0 * 100 + rank), count: count) })
        }
        for (rank, result) in try group.run(.reduceScatter(.init(.add)), inputs, instance: 2).enumerated() {
            let sum = Int32((0..<members).reduce(0) { $0 + $1 * 100 + rank })
            #expect(result.shape == Shape(count))
            #expect(try result.array(of: Int32.self) == [Int32](repeating: sum, count: count))
        }
        let target = (0..<members).map { ($0 + 1) % members }
        let moved = try group.run(.permute(target), inputs, instance: 3)
        for rank in 0..<members { #expect(try moved[target[rank]].array(of: Int32.self) == inputs[rank].array(of: Int32.self)) }
    }

    @Test("100 runs of two operations do not mix, and nothing is left")
    func manyRuns() throws {
        let group = CollectiveMembers(3)
        for round in 0..<100 {
            let inputs = (0..<3).map { Tensor(Int32(round * 10 + $0)) }
            let first = inputs.enumerated().map { group.start(group.operation(.reduce(.init(.add)), rank: $0, .int32), rank: $0, $1) }
            let second = inputs.enumerated().map { group.start(group.operation(.reduce(.init(.max)), rank: $0, .int32, instance: 2), rank: $0, $1) }
            for one in first { #expect(try one.wait().get().scalar(of: Int32.self) == Int32(round * 30 + 3)) }
            for one in second { #expect(try one.wait().get().scalar(of: Int32.self) == Int32(round * 10 + 2)) }
        }
        #expect(group.transport.waitingCount == 0)
    }

    @Test("several runs of one operation may be under way at once", arguments: [false, true])
    func overlappingRuns(_ isBroadcast: Bool) throws {
        let group = CollectiveMembers(3)
        let values = (0..<5).map { Float($0) }
        let waiting = (0..<3).map { rank in
            values.map { value in
                let kind: CollectiveOperation.Kind = isBroadcast ? .broadcast(isSource: rank == 1) : .reduce(.init(.max))
                return group.start(
                    group.operation(kind, rank: rank, shape: .scalar), rank: rank, isBroadcast && rank != 1 ? nil : Tensor(value))
            }
        }
        for member in waiting { #expect(try member.map { try $0.wait().get().scalar(of: Float.self) } == values) }
    }

    @Test("when a member is cancelled while others wait for a third, all end with an error, and the next step works")
    func cancelled() throws {
        let group = CollectiveMembers(3)
        #expect(try works(group))
        let steps = (0..<3).map { group.step($0) }
        let first = group.start(group.operation(.reduce(.init(.add)), rank: 0), rank: 0, tensor(0, 5), step: steps[0])
        let second = group.start(group.operation(.reduce(.init(.add)), rank: 1), rank: 1, tensor(1, 5), step: steps[1])
        steps[0].cancellation.cancel()
        #expect(first.failure()?.code == .cancelled)
        let consequence = try #require(second.failure())
        #expect(consequence.code == .aborted && consequence.isDerived)
        // The third comes late, in a step that ran when the group failed.
        let late = group.start(group.operation(.reduce(.init(.add)), rank: 2), rank: 2, tensor(2, 5), step: steps[2])
        #expect(late.failure()?.code == .aborted)
        #expect(try works(group))
        #expect(group.transport.waitingCount == 0)
    }

    @Test("a failed group fails its other operations, too, those of large tensors as well")
    func otherOperations() throws {
        let group = CollectiveMembers(2)
        #expect(try works(group))
        let step = group.step(0)
        let large = group.start(group.operation(.reduce(.init(.add)), rank: 0, instance: 7), rank: 0, tensor(0, 1_000_000), step: step)
        let other = group.start(group.operation(.gather, rank: 0, instance: 8), rank: 0, tensor(0, 5), step: group.step(0))
        step.cancellation.cancel()
        #expect(large.failure()?.code == .cancelled && other.failure()?.isDerived == true)
    }

    @Test("a step that is cancelled before it begins fails, and does not hold the group up")
    func cancelledBefore() throws {
        let group = CollectiveMembers(2)
        let step = group.step(0)
        step.cancellation.cancel()
        #expect(group.start(group.operation(.reduce(.init(.add)), rank: 0), rank: 0, tensor(0, 1), step: step).failure()?.code == .cancelled)
        #expect(try works(group))
    }

    @Test("a member that is cancelled while the group is incomplete may come back")
    func cancelledWhileJoining() throws {
        let group = CollectiveMembers(2)
        let step = group.step(0)
        let waiting = group.start(group.operation(.reduce(.init(.add)), rank: 0), rank: 0, tensor(0, 1), step: step)
        step.cancellation.cancel()
        #expect(waiting.failure()?.code == .cancelled)
        #expect(try works(group))
    }

    @Test("an operation that takes too long fails on all members; the message says in which phase")
    func timeouts() async throws {
        let group = CollectiveMembers(2)
        let alone = group.start(group.operation(.reduce(.init(.add)), rank: 0, timeout: .milliseconds(20)), rank: 0, tensor(0, 1))
        let waiting = try #require(await alone.failureLater())
        #expect(waiting.code == .deadlineExceeded && waiting.message == "Collective has timed out waiting for other workers.")
        #expect(try works(group, instance: 2))
        let late = group.start(group.operation(.reduce(.init(.add)), rank: 0, timeout: .milliseconds(20)), rank: 0, tensor(0, 1))
        let running = try #require(await late.failureLater())
        #expect(running.code == .deadlineExceeded && running.message == "Collective has timed out during execution.", "\(running)")
        #expect(try works(group, instance: 2))
    }

    @Test(
        "members that disagree on the size all get an error, whatever the algorithms, and the next step works", arguments: [2, 3, 4, 5, 8],
        [(3, 5), (3, 70_000), (70_000, 140_000)])
    func sizes(_ members: Int, _ counts: (Int, Int)) throws {
        let group = CollectiveMembers(members)
        #expect(try works(group, instance: 2))
        for odd in [0, members - 1] {
            let steps = (0..<members).map { group.step($0) }
            let waiting = (0..<members).map { rank in
                group.start(
                    group.operation(.reduce(.init(.add)), rank: rank), rank: rank, tensor(rank, rank == odd ? counts.1 : counts.0), step: steps[rank])
            }
            let failures = waiting.compactMap { $0.failure() }
            #expect(failures.count == members && failures.contains { $0.code == .invalidArgument && !$0.isDerived })
            #expect(try works(group, instance: 2))
        }
        #expect(group.transport.waitingCount == 0)
    }

    @Test("members that disagree on the operation all get an error that names both")
    func kinds() throws {
        let group = CollectiveMembers(4)
        let steps = (0..<4).map { group.step($0) }
        let waiting = (0..<4).map { rank in
            group.start(group.operation(rank == 2 ? .gather : .reduce(.init(.add)), rank: rank), rank: rank, tensor(rank, 4), step: steps[rank])
        }
        let failures = waiting.compactMap { $0.failure() }
        #expect(failures.count == 4)
        #expect(failures.contains { $0.message.contains("a gather of 4 elements") && $0.message.contains("a reduction by Add of 4 elements") })
    }

    @Test("a broadcast must have one source", arguments: [0, 2, 3])
    func sources(_ count: Int) throws {
        let group = CollectiveMembers(3)
        let steps = (0..<3).map { group.step($0) }
        let waiting = (0..<3).map { rank in
            group.start(
                group.operation(.broadcast(isSource: rank < count), rank: rank, shape: [4]), rank: rank, rank < count ? tensor(rank, 4) : nil,
                step: steps[rank])
        }
        let failures = waiting.compactMap { $0.failure() }
        #expect(failures.count == 3 && failures.contains { $0.code == .invalidArgument })
        #expect(failures.contains { $0.message.contains(count == 0 ? "None of the members" : "must have one source") })
        #expect(try works(group, instance: 2))
    }

    @Test("a broadcast whose members declare other shapes or another source than before fails")
    func declarations() throws {
        let group = CollectiveMembers(2)
        func run(_ source: Int, _ counts: [Int]) -> [Status?] {
            let steps = (0..<2).map { group.step($0) }
            return (0..<2).map { rank in
                group.start(
                    group.operation(.broadcast(isSource: rank == source), rank: rank, shape: [counts[rank]]), rank: rank,
                    rank == source ? tensor(rank, counts[rank]) : nil, step: steps[rank])
            }.map { $0.failure() }
        }
        #expect(run(0, [4, 5]).allSatisfy { $0 != nil })
        #expect(run(0, [4, 4]) == [nil, nil])
        #expect(run(1, [4, 4]).allSatisfy { $0 != nil })
        #expect(run(1, [4, 4]) == [nil, nil])
    }

    @Test("what is wrong with a single member fails before it joins")
    func checks() throws {
        let group = CollectiveMembers(2)
        func failure(_ kind: CollectiveOperation.Kind, _ input: Tensor?, size: Int? = nil) -> Status? {
            group.start(group.operation(kind, rank: 0, size: size), rank: 0, input).failure()
        }
        #expect(failure(.gather, Tensor(Float(1)))?.message == "input should have rank > 0, received 0")
        #expect(failure(.reduce(.init(.add)), Tensor(Float(1)), size: 0)?.message == "group_size must be positive integer but got 0")
        #expect(failure(.reduce(.init(.add)), Tensor(Int32(1)))?.code == .invalidArgument)
        #expect(failure(.allToAll, tensor(0, 3))?.code == .invalidArgument)
        #expect(failure(.permute([0, 0]), tensor(0, 3))?.code == .invalidArgument)
        #expect(failure(.broadcast(isSource: false), nil)?.code == .invalidArgument)
    }

    @Test("members get the ranks that they ask for")
    func ranks() throws {
        let group = CollectiveMembers(3)
        let waiting = (0..<3).map { rank -> BlockingCompletion<Tensor> in
            var operation = group.operation(.gather, rank: rank)
            operation.rank = 2 - rank
            return group.start(operation, rank: rank, tensor(rank, 1))
        }
        for one in waiting { #expect(try one.wait().get().array(of: Float.self) == [2000, 1000, 0]) }
    }

    @Test("a member that was not there when the group failed works in its next step, and fails in the one that ran then")
    func absent() throws {
        let group = CollectiveMembers(2)
        #expect(try works(group))
        let steps = (0..<2).map { group.step($0) }
        let waiting = group.start(group.operation(.reduce(.init(.add)), rank: 0), rank: 0, tensor(0, 1), step: steps[0])
        group.runners[0].end(group.transport.generation, ofGroup: 1, .unavailable("a task is lost"))
        #expect(waiting.failure()?.code == .unavailable)
        for rank in 0..<2 {
            #expect(group.start(group.operation(.gather, rank: rank), rank: rank, tensor(0, 1), step: steps[rank]).failure()?.code == .unavailable)
        }
        #expect(try works(group))
    }
}
