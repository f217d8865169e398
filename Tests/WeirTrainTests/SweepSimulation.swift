import Testing
import Weir

@testable import WeirTrain

/// A sweep without clocks, tasks and files: it carries out a schedule's actions, and chooses the next event at random.
struct SweepSimulation {
    /// What may happen to runs and servers besides success.
    struct Faults {
        /// Of 100 events, how many are losses of a server, failures of a trial, and objectives that are not finite.
        var loss = 0, failure = 0, divergence = 0
    }

    struct Run {
        let trial: Trial
        let steps: Int
        var isStopped = false
        var lastStep: Int
        var id: SweepSchedule.RunID { .init(trial: trial.number, attempt: trial.attempt) }
    }

    private(set) var schedule: SweepSchedule
    private(set) var records: [SweepRecord] = []
    private(set) var open: [Int: Run] = [:]
    private(set) var removed: [String] = []
    /// Servers that are waited for.
    private var awaited: Set<Int> = []
    private(set) var finish: Status??
    private var time = Duration.zero
    private var generator: SplitMix
    private let faults: Faults

    init(_ progress: SweepProgress, servers: Int, seed: UInt64, faults: Faults = Faults()) throws {
        schedule = SweepSchedule(progress, servers: (0..<servers).map { .slot($0) }, directory: "out")
        generator = SplitMix(seed: seed)
        self.faults = faults
        try send(.begin)
    }

    /// The objective depends on the configuration and the step only.
    static func report(_ trial: Trial, _ step: Int) -> TrialReport {
        let rate = trial.configuration["rate"]?.double ?? 0
        return TrialReport(step: step, metrics: ["loss": rate + 1 / Double(step)], checkpoint: "\(trial.directory)/model-\(step)")
    }

    mutating func send(_ event: SweepSchedule.Event) throws {
        time += .milliseconds(1)
        let (records, actions) = try schedule.handle(event, at: time)
        self.records += records
        for action in actions {
            switch action {
            case .start(let server, let trial, let steps):
                #expect(open[server] == nil, "server \(server) has two runs")
                #expect(trial.checkpointStep < steps && trial.history.allSatisfy { $0.step <= trial.checkpointStep })
                open[server] = Run(trial: trial, steps: steps, lastStep: trial.checkpointStep)
            case .stop(let server): open[server]?.isStopped = true
            case .awaitAnswer(let server): #expect(awaited.insert(server).inserted)
            case .awaitPatience: break
            case .removeCheckpoint(let path): removed.append(path)
            case .finish(let status):
                #expect(finish == nil)
                finish = .some(status)
            }
        }
    }

    /// Lets one thing happen.
    mutating func step() throws {
        var choices = open.keys.sorted()
        let back = awaited.sorted()
        choices += back.map { -1 - $0 }
        guard !choices.isEmpty else { throw Status.internalError("nothing runs, and the sweep has not ended") }
        let choice = choices[Int(generator.next() % UInt64(choices.count))]
        if choice < 0 {
            awaited.remove(-1 - choice)
            return try send(.answers(server: -1 - choice))
        }
        guard var run = open[choice] else { return }
        let dice = Int(generator.next() % 100)
        if run.isStopped { return try end(choice, .failure(.cancelled("stopped"))) }
        switch dice {
        case ..<faults.loss:
            if generator.next() % 2 == 0 {
                try end(choice, .failure(.unavailable("gone")))
            } else {
                try send(.lost(server: choice, run.id, reason: "does not answer"))
            }
        case ..<(faults.loss + faults.failure): try end(choice, .failure(.invalidArgument("no such option")))
        case ..<(faults.loss + faults.failure + faults.divergence):
            try send(.reported(server: choice, run.id, TrialReport(step: run.lastStep + 1, metrics: ["loss": .nan])))
        case _ where run.lastStep + 1 < run.steps && generator.next() % 2 == 0:
            run.lastStep += 1
            open[choice] = run
            try send(.reported(server: choice, run.id, SweepSimulation.report(run.trial, run.lastStep)))
        default: try end(choice, .success(SweepSimulation.report(run.trial, run.steps)))
        }
    }

    private mutating func end(_ server: Int, _ result: Result<TrialReport, Status>) throws {
        guard let run = open.removeValue(forKey: server) else { return }
        try send(.ended(server: server, run.id, result))
    }

    mutating func runToEnd() throws {
        while finish == nil { try step() }
    }

    var result: SweepResult { SweepResult(schedule.progress, schedule.servers.map { $0.usage(at: time) }, time) }

    static func specification(_ method: SearchMethod, trials: Int = 20, retries: Int = 3, keep: Int = 2) throws -> SweepSpecification {
        try SweepSpecification(
            base: ["steps": .integer(4)],
            parameters: [
                .init("rate", method == .grid ? .values((0..<trials).map { .number(Double(($0 * 7) % trials)) }) : .range(.init(0, 10)))
            ], method: method, trials: method == .grid ? nil : trials, objective: .init("loss", .min), retries: retries, keep: keep)
    }

    static let methods: [SearchMethod] = [
        .grid, .random, .halving(.init(eta: 2, minimum: 2)), .asha(.init(eta: 2, minimum: 2, maximum: 16)),
    ]
}
