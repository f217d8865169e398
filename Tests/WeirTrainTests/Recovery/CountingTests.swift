import Synchronization
import Testing
import Weir
import WeirWire

@testable import WeirTrain

/// No applied update is lost or applied twice when tasks are killed. Tests/Recovery does it with processes and more kills.
@Suite("Counting of updates under kills", .serialized, .timeLimit(.minutes(2)))
struct CountingTests {
    /// Trains and kills tasks at random moments.
    /// - Returns: the report, the counts at the end, and how many steps ended with a known outcome.
    private func count(
        _ strategy: any Strategy, steps: Int, kills: Int, of victims: [(job: String, task: Int)], seed: UInt64
    ) async throws -> (report: TrainingReport, counts: [Float], globalStep: Int64) {
        let scratch = FileSystemScratch()
        return try await MortalCluster.with([("ps", 1), ("worker", 2)]) { cluster in
            var options = TrainingOptions(
                try ModelGraph(CountingModel()), data: .divided(train: try CountingModel.rows(), test: try CountingModel.rows()), strategy: strategy,
                optimizer: GradientDescent(learningRate: 1), stepCount: steps, batchSize: 4)
            options.checkpoint = TrainingCheckpoint("\(scratch.path)/model", every: 5)
            options.recovery = TrainingRecovery(timeout: .seconds(20))
            let (moments, happening) = AsyncStream<Void>.makeStream()
            let trainer = Trainer(options, cluster: cluster.spec) { event in if case .step = event { happening.yield() } }
            let report = Task {
                defer { happening.finish() }
                return try await trainer.run()
            }
            var random = SplitMix(seed: seed)
            var left = kills
            var wait = 3
            for await _ in moments {
                wait -= 1
                guard wait <= 0, left > 0, let victim = victims.randomElement(using: &random) else { continue }
                // Also between the moments at which a step ends.
                for _ in 0..<Int.random(in: 0...200, using: &random) { await Task.yield() }
                try await cluster.restart(victim.job, victim.task)
                left -= 1
                wait = Int.random(in: 1...10, using: &random)
            }
            #expect(left == 0, "training ended before all were killed")
            let found = try await report.value
            let last = try #require(try Saver.latestCheckpoint(in: scratch.path))
            let reader = try BundleReader(last)
            let (a, b) = (try reader.tensor("a").array(of: Float.self), try reader.tensor("b").array(of: Float.self))
            return (found, [-a[0], -b[0]], try reader.tensor("global_step").scalar(of: Int64.self))
        }
    }

    @Test("every synchronous update is applied exactly once")
    func synchronous() async throws {
        let found = try await count(SynchronousReplicas(), steps: 150, kills: 5, of: [("ps", 0), ("worker", 0), ("worker", 1)], seed: 11)
        #expect(found.counts == [150, 150] && found.globalStep == 150)
        #expect(found.report.stepCount == 150 && found.report.attemptCount > 1)
    }

    @Test("no asynchronous step is applied twice, and none that ended is lost")
    func asynchronous() async throws {
        // The servers stay, so nothing is restored: each count is of all steps of the training.
        let kills = 4
        let found = try await count(AsynchronousReplicas(), steps: 400, kills: kills, of: [("worker", 0), ("worker", 1)], seed: 5)
        let known = found.report.updatesByWorker.reduce(0, +)
        // Two steps may be on their way when a worker is killed, or when the chief ends an attempt.
        for count in found.counts { #expect((known...known + 2 * kills).contains(Int(count)), "\(found.counts), \(known) known") }
        #expect(found.globalStep >= 400 && found.counts.allSatisfy { Int64($0) >= found.globalStep })
    }

    @Test("a parameter server that is restored has each asynchronous update once")
    func restored() async throws {
        let kills = 3
        let found = try await count(AsynchronousReplicas(), steps: 150, kills: kills, of: [("ps", 0)], seed: 9)
        // A checkpoint may have the update of a step that is on its way for some variables only.
        #expect(found.globalStep >= 150 && found.counts.allSatisfy { abs(Int($0) - Int(found.globalStep)) <= kills }, "\(found.counts), \(found.globalStep)")
    }
}
