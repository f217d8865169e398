import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Searches of sweeps")
struct SweepSearchTests {
    /// Runs a search on one server.
    /// - Returns: the jobs in order, and the trials in the order in which they are settled.
    private func run(_ search: some SearchAlgorithm, _ loss: (SearchJob) -> Double?) -> (jobs: [SearchJob], settled: [Int]) {
        var search = search
        var (jobs, settled): ([SearchJob], [Int]) = ([], [])
        while case .start(let job) = search.next {
            search.start(job)
            jobs.append(job)
            settled += search.end(job, loss: loss(job))
        }
        #expect(search.next == .done)
        return (jobs, settled)
    }

    @Test("independent trials start at once, each for its steps")
    func independent() {
        var search = IndependentTrials(steps: [5, 9])
        search.start(SearchJob(trial: 0, steps: 5))
        #expect(search.next == .start(SearchJob(trial: 1, steps: 9)))
        search.start(SearchJob(trial: 1, steps: 9))
        #expect(search.next == .wait)
        #expect(search.end(SearchJob(trial: 1, steps: 9), loss: nil) == [1])
        #expect(search.next == .wait)
        #expect(search.end(SearchJob(trial: 0, steps: 5), loss: 1) == [0])
        #expect(search.next == .done)
    }

    @Test(
        "successive halving has the rungs of Hyperband's brackets for R = 81, eta = 3 (Li et al., 2018, table 1)",
        arguments: [
            (81, 1, [(81, 1), (27, 3), (9, 9), (3, 27), (1, 81)]), (27, 3, [(27, 3), (9, 9), (3, 27), (1, 81)]), (9, 9, [(9, 9), (3, 27), (1, 81)]),
            (6, 27, [(6, 27), (2, 81)]), (5, 81, [(5, 81)]), (34, 3, [(34, 3), (11, 9), (3, 27), (1, 81)]),
        ])
    func brackets(_ trials: Int, _ minimum: Int, _ expected: [(Int, Int)]) {
        let search = SuccessiveHalving(trialCount: trials, rungs: .init(eta: 3, minimum: minimum, maximum: 81))
        // The later a trial, the better it is.
        let (jobs, settled) = run(search) { -Double($0.trial) }
        #expect(Dictionary(grouping: jobs, by: \.steps).mapValues(\.count) == Dictionary(uniqueKeysWithValues: expected.map { ($0.1, $0.0) }))
        for (rung, (count, steps)) in expected.enumerated() {
            let members = jobs.filter { $0.rung == rung }
            #expect(members.allSatisfy { $0.steps == steps })
            #expect(Set(members.map(\.trial)) == Set(trials - count..<trials))
        }
        #expect(settled.sorted() == Array(0..<trials))
    }

    @Test("a rung of successive halving waits for the one before; ties go to the lower number; without a maximum one trial is left")
    func halving() {
        var search = SuccessiveHalving(trialCount: 8, rungs: .init(eta: 2, minimum: 5))
        for trial in 0..<8 { search.start(SearchJob(trial: trial, steps: 5)) }
        for trial in (1..<8).reversed() {
            #expect(search.end(SearchJob(trial: trial, steps: 5), loss: 0) == [])
            #expect(search.next == .wait)
        }
        #expect(search.end(SearchJob(trial: 0, steps: 5), loss: 0) == [4, 5, 6, 7])
        let (jobs, settled) = run(search) { Double(-$0.trial) }
        #expect(jobs.map(\.trial) == [0, 1, 2, 3, 3, 2, 3] && jobs.map(\.steps) == [10, 10, 10, 10, 20, 20, 40])
        #expect(settled == [0, 1, 2, 3])
    }

    @Test("trials that fail leave their places in the next rung empty when too few are left")
    func halvingFailures() {
        let (jobs, settled) = run(SuccessiveHalving(trialCount: 9, rungs: .init(eta: 3, minimum: 1))) { $0.trial < 7 ? nil : Double($0.trial) }
        #expect(jobs.filter { $0.rung == 1 }.map(\.trial) == [7, 8] && jobs.filter { $0.rung == 2 }.map(\.trial) == [7])
        #expect(settled == [0, 1, 2, 3, 4, 5, 6, 8, 7])
        let none = run(SuccessiveHalving(trialCount: 9, rungs: .init(eta: 3, minimum: 1))) { _ in nil }
        #expect(none.jobs.count == 9 && none.settled == Array(0..<9))
    }

    @Test("ASHA promotes as soon as a trial is in the best third of its rung (Li et al., 2020, algorithm 2)")
    func promotions() {
        // Of nine trials with r = 1, R = 9, eta = 3, number 7 is best, then 5, then 0.
        let order = [7, 5, 0, 1, 2, 3, 4, 6, 8]
        let search = AsynchronousHalving(trialCount: 9, rungs: .init(eta: 3, minimum: 1, maximum: 9))
        let (jobs, settled) = run(search) { job in Double(order.firstIndex(of: job.trial)!) }
        #expect(
            jobs.map { "\($0.trial):\($0.rung):\($0.steps)" } == [
                "0:0:1", "1:0:1", "2:0:1", "0:1:3", "3:0:1", "4:0:1", "5:0:1", "5:1:3", "6:0:1", "7:0:1", "7:1:3", "7:2:9", "8:0:1",
            ])
        #expect(settled == [7])
    }

    @Test("ASHA starts new trials while others run, and promotes from the highest rung first")
    func asynchronous() {
        var search = AsynchronousHalving(trialCount: 20, rungs: .init(eta: 2, minimum: 1, maximum: 4))
        func start(_ trial: Int, _ rung: Int) {
            let job = SearchJob(trial: trial, rung: rung, steps: 1 << rung)
            #expect(search.next == .start(job))
            search.start(job)
        }
        func end(_ trial: Int, _ rung: Int, _ loss: Double?) { _ = search.end(SearchJob(trial: trial, rung: rung, steps: 1 << rung), loss: loss) }
        for trial in 0..<4 { start(trial, 0) }
        end(0, 0, 3)
        start(4, 0)
        end(1, 0, 2)
        start(1, 1)
        end(2, 0, 1)
        // One of three may be promoted, and trial 2 is the best.
        start(2, 1)
        end(1, 1, 2)
        start(5, 0)
        end(2, 1, 1)
        end(3, 0, 0)
        // Trial 2 could go to rung 2, and trial 3 to rung 1.
        start(2, 2)
        start(3, 1)
        end(2, 2, 1)
        start(6, 0)
    }

    @Test("trials that fail count as the worst of their rung for ASHA, and are not promoted")
    func failures() {
        let (jobs, _) = run(AsynchronousHalving(trialCount: 4, rungs: .init(eta: 2, minimum: 1, maximum: 2))) { $0.trial < 3 ? nil : 1 }
        #expect(jobs.map { "\($0.trial):\($0.rung)" } == ["0:0", "1:0", "2:0", "3:0", "3:1"])
    }

    @Test("the steps of rungs do not overflow")
    func largeRungs() {
        let rungs = SearchMethod.Rungs(eta: 1_000, minimum: 1_000_000_000)
        #expect(rungs.steps() == [1_000_000_000])
        #expect(SearchMethod.Rungs(eta: 2, minimum: 3, maximum: 13).steps() == [3, 6, 12])
    }
}
