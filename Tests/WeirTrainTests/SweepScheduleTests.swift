import Testing
import Weir

@testable import WeirTrain

@Suite("Schedules of sweeps")
struct SweepScheduleTests {
    private static let seeds: [UInt64] = Array(1...40)

    @Test("with losses and failures at random, each trial ends once, and no server has two runs", arguments: seeds, SweepSimulation.methods)
    func properties(_ seed: UInt64, _ method: SearchMethod) throws {
        let specification = try SweepSimulation.specification(method)
        var sweep = try SweepSimulation(
            SweepProgress(specification), servers: 1 + Int(seed % 5), seed: seed, faults: .init(loss: 15, failure: 3, divergence: 3))
        try sweep.runToEnd()
        #expect(sweep.finish == .some(nil), "seed \(seed)")
        // Each job starts, is lost some times, and ends or fails once.
        var openJobs: [Int: Int] = [:]
        var ends: [Int: Int] = [:]
        for record in sweep.records {
            switch record {
            case .started(let job, _, _): openJobs[job.trial, default: 0] += 1
            case .lost(let trial, _, _, _): openJobs[trial, default: 0] -= 1
            case .ended(let trial, _, _), .failed(let trial, _, _):
                openJobs[trial, default: 0] -= 1
                ends[trial, default: 0] += 1
            case .reported: break
            }
            #expect(openJobs.values.allSatisfy { (0...1).contains($0) }, "seed \(seed)")
        }
        #expect(ends.keys.sorted() == Array(0..<specification.trialCount), "seed \(seed)")
        let trials = sweep.schedule.progress.trials
        #expect(trials.allSatisfy { ends[$0.number] == $0.job.rung + 1 }, "seed \(seed)")
        // Only the best trials have a checkpoint.
        let kept = trials.compactMap(\.checkpointed?.checkpoint)
        #expect(kept.count <= specification.keep && Set(kept).isDisjoint(with: sweep.removed), "seed \(seed)")
        let ranked = sweep.result.trials.filter { $0.value != nil }.prefix(specification.keep)
        if method == .grid || method == .random { #expect(Set(ranked.compactMap(\.checkpoint)) == Set(kept), "seed \(seed)") }
    }

    @Test("results do not depend on the number of servers, or on losses", arguments: SweepSimulation.methods.prefix(3))
    func independence(_ method: SearchMethod) throws {
        let specification = try SweepSimulation.specification(method, retries: 1_000)
        func results(_ servers: Int, _ seed: UInt64, _ loss: Int) throws -> [String] {
            var sweep = try SweepSimulation(SweepProgress(specification), servers: servers, seed: seed, faults: .init(loss: loss))
            try sweep.runToEnd()
            return sweep.result.trials.map { "\($0.number) \($0.rung) \($0.step) \($0.value ?? .nan)" }
        }
        let expected = try results(1, 1, 0)
        for (servers, seed, loss) in [(1, 2, 0), (2, 3, 0), (7, 4, 0), (30, 5, 0), (3, 6, 20)] as [(Int, UInt64, Int)] {
            #expect(try results(servers, seed, loss) == expected, "\(servers) servers, seed \(seed)")
        }
    }

    @Test("a sweep that is stopped at any record, and goes on, ends as if it had not been stopped", arguments: 0..<8)
    func interruption(_ seed: UInt64) throws {
        let specification = try SweepSimulation.specification(SweepSimulation.methods[Int(seed % 3)], trials: 6)
        var whole = try SweepSimulation(SweepProgress(specification), servers: 3, seed: seed)
        try whole.runToEnd()
        let expected = whole.result.trials.map { "\($0.number) \($0.value ?? .nan)" }
        for count in 0...whole.records.count {
            var progress = SweepProgress(specification)
            for record in whole.records[..<count] { _ = try progress.apply(record) }
            progress.interruptAll()
            var rest = try SweepSimulation(progress, servers: 2, seed: seed)
            try rest.runToEnd()
            #expect(rest.result.trials.map { "\($0.number) \($0.value ?? .nan)" } == expected, "seed \(seed), after \(count) records")
            // What has ended is not run again.
            let ended = Set(whole.records[..<count].compactMap { if case .ended(let trial, _, _) = $0 { trial } else { nil } })
            let again = rest.records.filter { if case .started(let job, _, _) = $0 { job.rung == 0 && ended.contains(job.trial) } else { false } }
            #expect(again.isEmpty)
        }
    }

    private func grid(_ count: Int, retries: Int = 2) throws -> SweepProgress {
        SweepProgress(try SweepSimulation.specification(.grid, trials: count, retries: retries))
    }

    /// Sends one event.
    private func send(_ event: SweepSchedule.Event, _ schedule: inout SweepSchedule) throws -> [SweepSchedule.Action] {
        try schedule.handle(event, at: .seconds(1)).actions
    }

    private func starts(_ actions: [SweepSchedule.Action]) -> [String] {
        actions.compactMap { if case .start(let server, let trial, _) = $0 { "\(trial.number).\(trial.attempt)@\(server)" } else { nil } }
    }

    @Test("a trial whose server is lost goes to another server from its last checkpoint, in the call in which one is free")
    func retry() throws {
        var schedule = SweepSchedule(try grid(3), servers: [.address("a:1"), .address("b:1")], directory: "out")
        #expect(starts(try send(.begin, &schedule)) == ["0.1@0", "1.1@1"])
        let run = SweepSchedule.RunID(trial: 0, attempt: 1)
        #expect(try send(.reported(server: 0, run, .init(step: 1, metrics: ["loss": 2], checkpoint: "c-1")), &schedule) == [])
        #expect(try send(.reported(server: 0, run, .init(step: 2, metrics: ["loss": 1])), &schedule) == [])
        #expect(try send(.ended(server: 0, run, .failure(.unavailable("gone"))), &schedule) == [.awaitAnswer(server: 0)])
        // The server comes back, but the trial is for another server: a new trial starts.
        #expect(starts(try send(.answers(server: 0), &schedule)) == ["2.1@0"])
        let actions = try send(.ended(server: 1, .init(trial: 1, attempt: 1), .success(.init(step: 4, metrics: ["loss": 3]))), &schedule)
        guard case .start(1, let trial, 4)? = actions.last else { Issue.record("\(actions)"); return }
        #expect(trial.number == 0 && trial.attempt == 2 && trial.checkpoint == "c-1" && trial.checkpointStep == 1)
        #expect(trial.history == [.init(step: 1, metrics: ["loss": 2], checkpoint: "c-1")])
        #expect(trial.directory == "out/trial-0/run-2")
        #expect(schedule.servers[0].usage(at: .seconds(2)).lossCount == 1)
    }

    @Test("a lost server that answers gets nothing before its run has ended, whose outcome does not matter")
    func lostWhileRunning() throws {
        var schedule = SweepSchedule(try grid(2), servers: [.slot(0)], directory: "out")
        _ = try send(.begin, &schedule)
        let run = SweepSchedule.RunID(trial: 0, attempt: 1)
        #expect(try send(.lost(server: 0, run, reason: "silent"), &schedule) == [.stop(server: 0), .awaitAnswer(server: 0), .awaitPatience(1, .seconds(60))])
        #expect(try send(.answers(server: 0), &schedule) == [])
        #expect(try send(.reported(server: 0, run, .init(step: 1, metrics: ["loss": .nan])), &schedule) == [])
        #expect(starts(try send(.ended(server: 0, run, .success(.init(step: 4, metrics: ["loss": 0]))), &schedule)) == ["0.2@0"])
        #expect(try send(.patienceOver(1), &schedule) == [])
        #expect(try send(.lost(server: 0, run, reason: "late"), &schedule) == [])
    }

    @Test("after as many losses as retries the next one fails the trial, and the sweep goes on")
    func retriesEnd() throws {
        var schedule = SweepSchedule(try grid(2, retries: 1), servers: [.slot(0)], directory: "out")
        _ = try send(.begin, &schedule)
        for attempt in 1...2 {
            _ = try send(.ended(server: 0, .init(trial: 0, attempt: attempt), .failure(.aborted("restarted"))), &schedule)
            let started = starts(try send(.answers(server: 0), &schedule))
            #expect(started == (attempt == 1 ? ["0.2@0"] : ["1.1@0"]))
        }
        #expect(schedule.progress.trials[0].phase == .failed(.unavailable("lost its server 2 times, the last time slot 0: restarted")))
    }

    @Test("a trial that fails for a reason of its own is not retried, and its server goes on")
    func failures() throws {
        var schedule = SweepSchedule(try grid(4), servers: [.slot(0)], directory: "out")
        _ = try send(.begin, &schedule)
        #expect(starts(try send(.ended(server: 0, .init(trial: 0, attempt: 1), .failure(.invalidArgument("bad"))), &schedule)) == ["1.1@0"])
        #expect(starts(try send(.ended(server: 0, .init(trial: 1, attempt: 1), .success(.init(step: 4, metrics: ["lost": 1]))), &schedule)) == ["2.1@0"])
        // A run that diverges is stopped; its server is free when it has ended.
        let run = SweepSchedule.RunID(trial: 2, attempt: 1)
        #expect(try send(.reported(server: 0, run, .init(step: 3, metrics: ["loss": .infinity])), &schedule) == [.stop(server: 0)])
        #expect(starts(try send(.ended(server: 0, run, .failure(.cancelled("stopped"))), &schedule)) == ["3.1@0"])
        let actions = try send(.ended(server: 0, .init(trial: 3, attempt: 1), .success(.init(step: 4, metrics: ["loss": .nan]))), &schedule)
        #expect(actions == [.finish(nil)])
        let reasons = schedule.progress.trials.map { if case .failed(let status) = $0.phase { status.message } else { "" } }
        #expect(
            reasons == [
                "bad", "expected the metric 'loss', which the sweep optimizes; the trial reports lost", "diverged: 'loss' is inf at step 3",
                "diverged: 'loss' is nan at step 4",
            ])
    }

    @Test("when all servers stay lost for longer than the patience, the sweep ends with the reasons; a server that comes back prevents it")
    func outage() throws {
        var schedule = SweepSchedule(try grid(2), servers: [.address("a:1"), .address("b:1")], directory: "out")
        _ = try send(.begin, &schedule)
        _ = try send(.ended(server: 0, .init(trial: 0, attempt: 1), .failure(.unavailable("one"))), &schedule)
        let lost = try send(.ended(server: 1, .init(trial: 1, attempt: 1), .failure(.unavailable("two"))), &schedule)
        #expect(lost == [.awaitAnswer(server: 1), .awaitPatience(1, .seconds(60))])
        #expect(starts(try send(.answers(server: 0), &schedule)) == ["0.2@0"])
        #expect(try send(.patienceOver(1), &schedule) == [])
        let again = try send(.ended(server: 0, .init(trial: 0, attempt: 2), .failure(.unavailable("three"))), &schedule)
        #expect(again == [.awaitAnswer(server: 0), .awaitPatience(2, .seconds(60))])
        #expect(try send(.patienceOver(1), &schedule) == [])
        let status = Status.unavailable("no server of the sweep is left; none has answered for 60.0 seconds: a:1: three; b:1: two")
        #expect(try send(.patienceOver(2), &schedule) == [.finish(status)])
    }

    @Test("cancellation stops all runs, starts nothing, and records what ends well meanwhile")
    func cancellation() throws {
        var schedule = SweepSchedule(try grid(5), servers: [.slot(0), .slot(1)], directory: "out")
        _ = try send(.begin, &schedule)
        #expect(try send(.cancel, &schedule) == [.stop(server: 0), .stop(server: 1)])
        #expect(try send(.ended(server: 0, .init(trial: 0, attempt: 1), .success(.init(step: 4, metrics: ["loss": 1]))), &schedule) == [])
        let (records, actions) = try schedule.handle(.ended(server: 1, .init(trial: 1, attempt: 1), .failure(.unknown("torn down"))), at: .seconds(2))
        #expect(records == [] && actions == [.finish(.cancelled("the sweep was cancelled"))])
        #expect(schedule.progress.trials.map(\.phase) == [.ended(1), .running])
    }

    @Test("the busy share is the time of runs, of the time in which the server was not lost")
    func busyShare() throws {
        var schedule = SweepSchedule(try grid(2), servers: [.slot(0)], directory: "out")
        _ = try schedule.handle(.begin, at: .seconds(0))
        _ = try schedule.handle(.ended(server: 0, .init(trial: 0, attempt: 1), .failure(.unavailable("gone"))), at: .seconds(3))
        _ = try schedule.handle(.answers(server: 0), at: .seconds(13))
        _ = try schedule.handle(.ended(server: 0, .init(trial: 0, attempt: 2), .success(.init(step: 4, metrics: ["loss": 1]))), at: .seconds(15))
        let usage = schedule.servers[0].usage(at: .seconds(16))
        #expect(usage.busySeconds == 6 && usage.lostSeconds == 10 && usage.seconds == 16 && usage.busyShare == 1 && usage.runCount == 3)
        #expect(ServerUsage.busyShare([]) == 0)
    }
}
