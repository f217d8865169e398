import Synchronization
import Testing
import WeirGraph
import WeirTensor

@testable import WeirCluster

@Suite("Steps of a worker", .timeLimit(.minutes(1)))
struct StepTableTests {
    @Test("abandoned steps are evicted above the capacity; running ones stay")
    func abandoned() {
        let table = StepTable(capacity: 100)
        let running = table.begin(0, session: "s")
        let failure = Mutex<Status?>(nil)
        for id in 1..<100_000 {
            let step = table.begin(id, session: "s")
            if id == 1 {
                step.rendezvous.receive(RendezvousKey("never")) { result in
                    if case .failure(let status) = result { failure.withLock { $0 = status } }
                }
            }
            table.end(step)
        }
        #expect(table.count <= 100)
        // A pending receive of an evicted step gets a derived status.
        #expect(failure.withLock { $0 }?.isDerived == true)
        #expect(table.begin(0, session: "s") === running)
    }

    @Test("a receive for a finished step leaves no entry; an early one waits for its step")
    func requests() throws {
        let table = StepTable()
        let (late, isEarly) = table.receive(7)
        #expect(isEarly)
        table.endEarlyReceive(late)
        #expect(table.count == 0)

        let (first, _) = table.receive(8)
        let (second, _) = table.receive(8)
        #expect(first === second)
        table.endEarlyReceive(first)
        #expect(table.begin(8, session: "s") === first)
        #expect(!table.receive(8).isEarly)
        table.endEarlyReceive(second)
        #expect(table.count == 1)
        table.remove(8)
        #expect(table.count == 0)
    }

    @Test("closing a session removes its finished steps")
    func sessions() {
        let table = StepTable()
        for id in 0..<10 { table.end(table.begin(id, session: id < 4 ? "a" : "b")) }
        _ = table.begin(10, session: "a")
        table.removeAll(of: "a")
        #expect(table.count == 7)
    }

    @Test("of concurrent first calls of a partial run exactly one starts it")
    func partialRuns() async {
        for _ in 0..<200 {
            let step = StepTable.Step(id: 1)
            let begun = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<4 { group.addTask { step.partialRun().begins } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(begun == 1)
        }
    }

    @Test("a draining server waits for its steps to be removed, and starts no others")
    func draining() async throws {
        let gate = DrainGate()
        let table = StepTable(gate: gate)
        let step = table.begin(1, session: "s")
        let closed = Event<Void>()
        let closing = Task {
            await gate.close(within: .seconds(3600))
            closed.happen()
        }
        while !gate.isClosed { await Task.yield() }
        #expect(table.admits(1) && !table.admits(2))
        // An early receive does not admit its step.
        _ = table.receive(3)
        #expect(!table.admits(3))
        table.end(step)
        table.remove(1)
        try await closed.next()
        await closing.value
    }
}
