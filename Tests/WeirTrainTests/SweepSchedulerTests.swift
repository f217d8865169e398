import Foundation
import Synchronization
import Testing
import Weir

@testable import WeirTrain

@Suite("Schedulers of sweeps", .timeLimit(.minutes(1)))
struct SweepSchedulerTests {
    private let scratch = FileSystemScratch()
    private let runner = FakeTrialRunner()
    private let health = FakeServerHealth()
    private let a = SweepServer.address("a:1"), b = SweepServer.address("b:1")

    private func specification(_ trials: Int, _ method: SearchMethod = .grid) throws -> SweepSpecification {
        try SweepSimulation.specification(method, trials: trials, keep: 1)
    }

    private func scheduler(
        _ specification: SweepSpecification, _ servers: [SweepServer], wait: @escaping @Sendable (Duration) async -> Void = { _ in },
        onEvent: @escaping SweepScheduler.OnEvent = { _ in }
    ) -> SweepScheduler {
        SweepScheduler(
            specification, servers: servers, runner: runner, health: health, directory: scratch.path, patience: .seconds(60), onEvent: onEvent, wait: wait)
    }

    @Test("all trials run, two at once on two servers, and the result has them best first")
    func whole() async throws {
        let scheduler = scheduler(try specification(4), [.slot(0), .slot(1)])
        let sweep = Task { () async throws(Status) in try await scheduler.run() }
        var runs = runner.runs.makeAsyncIterator()
        let first = try #require(await runs.next()), second = try #require(await runs.next())
        #expect(Set([first.server, second.server]) == [.slot(0), .slot(1)] && Set([first.trial.number, second.trial.number]) == [0, 1])
        await runner.end(second, loss: 5)
        let third = try #require(await runs.next())
        #expect(third.server == second.server && third.trial.number == 2 && third.steps == 4)
        await runner.end(first, loss: 3)
        let fourth = try #require(await runs.next())
        await runner.end(fourth, loss: 9)
        await runner.end(third, loss: 1)
        let result = try await sweep.value
        #expect(result.trials.map(\.number) == [2, first.trial.number, second.trial.number, 3])
        #expect(result.trials.map(\.value) == [1, 3, 5, 9])
        #expect(result.best?.checkpoint == "\(scratch.path)/trial-2/run-1/model-4" && result.trials[1].checkpoint == nil)
        #expect(result.servers.map(\.runCount).reduce(0, +) == 4 && result.busyShare > 0)
        // The same sweep again has nothing to do.
        #expect(try await self.scheduler(specification(4), [.slot(0)]).run().trials.map(\.value) == [1, 3, 5, 9])
    }

    @Test("a server that does not answer any more loses its trial to another, and is used again when it answers")
    func lostServer() async throws {
        let scheduler = scheduler(try specification(3), [a, b])
        let sweep = Task { () async throws(Status) in try await scheduler.run() }
        var runs = runner.runs.makeAsyncIterator()
        var started: [SweepServer: FakeTrialRunner.Run] = [:]
        for _ in 0..<2 {
            let run = try #require(await runs.next())
            started[run.server] = run
        }
        let onA = try #require(started[a]), onB = try #require(started[b])
        onA.report(TrialReport(step: 2, metrics: ["loss": 4], checkpoint: "c-2"))
        await health.lose(a, "silent")
        // The run on it is cancelled, and the server may be used again.
        await health.revive(a)
        let third = try #require(await runs.next())
        #expect(third.server == a && third.trial.number == 2)
        await runner.end(onB, loss: 1)
        let retried = try #require(await runs.next())
        #expect(retried.server == b && retried.trial.number == onA.trial.number && retried.trial.attempt == 2)
        #expect(retried.trial.checkpoint == "c-2" && retried.trial.checkpointStep == 2)
        await runner.end(retried, loss: 2)
        await runner.end(third, loss: 3)
        let result = try await sweep.value
        #expect(result.trials.map(\.value) == [1, 2, 3])
        #expect(result.servers.map(\.lossCount) == [1, 0])
    }

    @Test("a sweep that is cancelled says what is done, and goes on later from the checkpoints")
    func cancellation() async throws {
        let (events, continuation) = AsyncStream.makeStream(of: SweepEvent.self)
        let scheduler = scheduler(try specification(3), [.slot(0)], onEvent: { continuation.yield($0) })
        let sweep = Task { () async throws(Status) in try await scheduler.run() }
        var runs = runner.runs.makeAsyncIterator()
        let first = try #require(await runs.next())
        await runner.end(first, loss: 7)
        let second = try #require(await runs.next())
        second.report(TrialReport(step: 3, metrics: ["loss": 4], checkpoint: "c-3"))
        for await event in events { if case .reported = event { break } }
        sweep.cancel()
        let status = await #expect(throws: Status.self) { try await sweep.value }
        #expect(status?.code == .cancelled && status?.message.contains("1 of 3 trials have ended") == true, "\(String(describing: status))")

        let next = self.scheduler(try specification(3), [.slot(5)])
        let resumed = Task { try await next.run() }
        let again = try #require(await runs.next())
        #expect(again.trial.number == 1 && again.trial.attempt == 2 && again.trial.checkpoint == "c-3" && again.server == .slot(5))
        #expect(again.trial.history == [TrialReport(step: 3, metrics: ["loss": 4], checkpoint: "c-3")])
        await runner.end(again, loss: 1)
        let third = try #require(await runs.next())
        await runner.end(third, loss: 2)
        #expect(try await resumed.value.trials.map(\.value) == [1, 2, 7])
    }

    @Test("when all servers are lost for longer than the patience, the sweep fails, and goes on later")
    func outage() async throws {
        let (waits, continuation) = AsyncStream.makeStream(of: Duration.self)
        let events = Mutex<[SweepEvent]>([])
        let scheduler = scheduler(try specification(2), [a], wait: { continuation.yield($0) }, onEvent: { event in events.withLock { $0.append(event) } })
        let sweep = Task { () async throws(Status) in try await scheduler.run() }
        var runs = runner.runs.makeAsyncIterator()
        let run = try #require(await runs.next())
        await runner.end(run.id, .failure(.unavailable("refused")))
        var wait = waits.makeAsyncIterator()
        #expect(await wait.next() == .seconds(60))
        let status = await #expect(throws: Status.self) { try await sweep.value }
        #expect(status?.code == .unavailable)
        let reason = "no server of the sweep is left; none has answered for 60.0 seconds: a:1: refused; "
        let rest = "0 of 2 trials have ended, 1 will go on from its last checkpoint, and \(scratch.path) has what is done"
        #expect(status?.message.hasPrefix(reason + rest) == true, "\(status?.message ?? "")")
        let notice = "no server is left: the sweep ends in 60.0 seconds if none answers; the same sweep in \(scratch.path) goes on later"
        #expect(events.withLock { Array($0.suffix(2)) } == [.lost(trial: 0, server: "a:1", reason: "refused"), .notice(notice)])
    }

    @Test("failures of trials do not stop the sweep; a search by halving promotes from the checkpoint")
    func halving() async throws {
        let specification = try specification(4, .halving(.init(eta: 2, minimum: 2)))
        let scheduler = scheduler(specification, [.slot(0)])
        let sweep = Task { () async throws(Status) in try await scheduler.run() }
        var runs = runner.runs.makeAsyncIterator()
        for trial in 0..<4 {
            let run = try #require(await runs.next())
            #expect(run.trial.number == trial && run.steps == 2)
            if trial == 1 { await runner.end(run.id, .failure(.invalidArgument("no such optimizer"))) } else { await runner.end(run, loss: Double(trial)) }
        }
        for trial in [0, 2] {
            let run = try #require(await runs.next())
            #expect(run.trial.number == trial && run.trial.rung == 1 && run.steps == 4)
            #expect(run.trial.checkpoint == "\(scratch.path)/trial-\(trial)/run-1/model-2" && run.trial.history.map(\.step) == [2])
            await runner.end(run, loss: Double(10 - trial))
        }
        // The base option `steps`, 4, is the most for the last rung in files only: here a third rung follows.
        let last = try #require(await runs.next())
        #expect(last.trial.number == 2 && last.steps == 8)
        await runner.end(last, loss: 0.5)
        let result = try await sweep.value
        #expect(result.trials.map(\.number) == [2, 0, 3, 1] && result.trials.map(\.rung) == [2, 1, 0, 0])
        #expect(result.trials[3].failure == .invalidArgument("no such optimizer") && result.trials[3].value == nil)
    }

    @Test("no servers, and a server twice, are errors before anything starts")
    func arguments() async throws {
        for servers in [[], [a, b, a]] {
            let status = await #expect(throws: Status.self) { try await scheduler(specification(1), servers).run() }
            #expect(status?.code == .invalidArgument && status?.message.hasPrefix("servers: expected") == true)
        }
        #expect(scratch.names == [])
    }

    @Test("the places of this process are never lost")
    func slots() async {
        #expect(await ProbedServerHealth().waitUntilLost(.slot(0)) == nil)
    }
}
