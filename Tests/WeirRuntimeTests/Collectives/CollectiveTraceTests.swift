import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirRuntime

/// What traced members record of what passes between them.
@Suite("Traces of collective operations", .timeLimit(.minutes(2)))
struct CollectiveTraceTests {
    /// The records of one member's step.
    private final class Trace: StepTrace {
        private let records = Mutex<(transfers: [TracedTransfer], work: [(op: String, elementCount: Int)])>(([], []))

        func record(node: String, op: String, device: String, start: Int, end: Int, outputs: [EdgeValue]) {
            let count = outputs.compactMap(\.tensor).reduce(0) { $0 + $1.elementCount }
            records.withLock { $0.work.append((op, count)) }
        }
        func record(_ transfer: TracedTransfer) { records.withLock { $0.transfers.append(transfer) } }

        var transfers: [TracedTransfer] { records.withLock { $0.transfers } }
        var work: [(op: String, elementCount: Int)] { records.withLock { $0.work } }
    }

    /// Runs an operation, and gives what the traced members recorded.
    private func run(
        _ group: CollectiveMembers, _ kind: (Int) -> CollectiveOperation.Kind, count: Int, isTraced: (Int) -> Bool = { _ in true }
    ) throws -> [Trace] {
        let traces = group.runners.map { _ in Trace() }
        let waiting = group.runners.indices.map { rank in
            let kind = kind(rank), tensor = Tensor([Float](repeating: Float(rank), count: count))
            let step = StepContext(
                id: rank, rendezvous: LocalRendezvous(), trace: isTraced(rank) ? traces[rank] : nil, collectives: group.runners[rank])
            return group.start(
                group.operation(kind, rank: rank, shape: tensor.shape), rank: rank, kind == .broadcast(isSource: false) ? nil : tensor, step: step)
        }
        for one in waiting { _ = try one.wait().get() }
        return traces
    }

    @Test(
        "each send has its receive, and together they have the bytes of the algorithm",
        arguments: [(2, 1000), (2, 100_000), (3, 30_000), (4, 100_000), (8, 100_000)])
    func sums(_ members: Int, _ count: Int) throws {
        let traces = try run(CollectiveMembers(members), { _ in .reduce(.init(.add)) }, count: count)
        let all = traces.flatMap(\.transfers)
        let sends = all.filter { $0.direction == .send }, receives = all.filter { $0.direction == .receive }
        #expect(sends.count == receives.count)
        for send in sends {
            let found = receives.filter { $0.device == send.peer && $0.peer == send.device }
            #expect(found.count == 1)
            let receive = try #require(found.first)
            #expect(receive.edge == send.edge && receive.elementCount == send.elementCount && receive.dtype == .float32)
            #expect(send.start <= send.end && receive.start <= receive.end && send.start <= receive.end)
        }
        #expect(sends.reduce(0) { $0 + $1.elementCount } == 2 * (members - 1) * count)
        #expect(traces.allSatisfy { trace in !trace.work.isEmpty && trace.work.allSatisfy { $0.op == "Add" && $0.elementCount > 0 } })
        #expect(Set(all.map { "\($0.device) \($0.node)" }).count == all.count, "names of records are unique on a device")
    }

    @Test("the runs of an operation have different edges")
    func runs() throws {
        let group = CollectiveMembers(2)
        let edges = try (0..<2).map { _ in try run(group, { _ in .reduce(.init(.max, .divide)) }, count: 5) }
        #expect(edges.map { Set($0.flatMap(\.transfers).map(\.edge)) } == [["collective_1_1_0"], ["collective_1_1_1"]])
        #expect(Set(edges[0][0].work.map(\.op)) == ["Max", "Div"])
    }

    @Test("the source of a broadcast sends, and the others receive and compute nothing", arguments: [10, 100_000])
    func broadcast(_ count: Int) throws {
        let traces = try run(CollectiveMembers(2), { .broadcast(isSource: $0 == 1) }, count: count)
        #expect(traces[0].transfers.map { "\($0.direction) \($0.node)" } == ["receive member 0/_recv_1"])
        #expect(traces[1].transfers.map { "\($0.direction) \($0.node)" } == ["send member 1/_send_0"])
        #expect(traces.allSatisfy { $0.transfers.map(\.elementCount) == [count] && $0.work.isEmpty })
    }

    @Test("a member whose step is not traced records nothing, and the others do")
    func untraced() throws {
        let traces = try run(CollectiveMembers(3), { _ in .gather }, count: 4, isTraced: { $0 == 2 })
        #expect(traces.map(\.transfers.count) == [0, 0, 4])
    }

    @Test("nothing is recorded of tensors without elements")
    func empty() throws {
        #expect(try run(CollectiveMembers(3), { _ in .reduce(.init(.add)) }, count: 0).allSatisfy { $0.transfers.isEmpty && $0.work.isEmpty })
    }
}
