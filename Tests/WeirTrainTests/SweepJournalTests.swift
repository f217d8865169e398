import Foundation
import Testing
import Weir

@testable import WeirTrain

@Suite("Journals of sweeps")
struct SweepJournalTests {
    private let scratch = FileSystemScratch()
    private var path: String { "\(scratch.path)/\(SweepJournal.fileName)" }
    private var bytes: [UInt8] { FileManager.default.contents(atPath: path).map { Array($0) } ?? [] }

    private func specification(_ trials: Int = 3, keep: Int = 1) throws -> SweepSpecification {
        try SweepSimulation.specification(.asha(.init(eta: 2, minimum: 1, maximum: 4)), trials: trials, keep: keep)
    }

    /// The records of a sweep with losses and failures, in a journal.
    private func write(_ specification: SweepSpecification) throws -> [SweepRecord] {
        var sweep = try SweepSimulation(SweepProgress(specification), servers: 2, seed: 11, faults: .init(loss: 20, failure: 5))
        try sweep.runToEnd()
        let (journal, _) = try SweepJournal.open(specification, in: scratch.path)
        for record in sweep.records { try journal.append([record]) }
        return sweep.records
    }

    @Test("a journal that is cut at any byte has the state of its whole lines")
    func cuts() throws {
        let specification = try specification()
        let records = try write(specification)
        let bytes = bytes
        var states: [SweepProgress] = []
        for count in 0...records.count {
            var progress = SweepProgress(specification)
            for record in records[..<count] { _ = try progress.apply(record) }
            progress.interruptAll()
            states.append(progress)
        }
        var lines = 0
        for count in 0...bytes.count {
            if count > 0, bytes[count - 1] == UInt8(ascii: "\n") { lines += 1 }
            let (progress, whole) = try SweepJournal.replay(Array(bytes[..<count]), specification, path)
            let expected = states[max(lines - 1, 0)]
            guard progress.trials == expected.trials, progress.interrupted == expected.interrupted, progress.next == expected.next else {
                Issue.record("cut at byte \(count)")
                return
            }
            #expect(whole == (bytes[..<count].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0))
        }
        #expect(lines == records.count + 1)
    }

    @Test("a sweep that was interrupted while trials ran can be opened again, however often, and after its end")
    func interruptedOften() throws {
        let specification = try specification(1)
        var job: SearchJob?
        for attempt in 1...3 {
            let (journal, progress) = try SweepJournal.open(specification, in: scratch.path)
            #expect(progress.interrupted == (attempt == 1 ? [] : [0]) && progress.runningCount == 0)
            if attempt == 1, case .start(let first) = progress.next { job = first }
            try journal.append([.started(#require(job), server: "slot 0", configuration: specification.configuration(of: 0))])
        }
        // The last one reaches the end.
        let (journal, progress) = try SweepJournal.open(specification, in: scratch.path)
        #expect(progress.trials.map(\.attemptCount) == [3])
        let last = try #require(job), report = TrialReport(step: last.steps, metrics: [specification.objective.metric: 0.5], checkpoint: nil)
        let records = [
            SweepRecord.started(last, server: "slot 0", configuration: specification.configuration(of: 0)), .ended(trial: 0, report, seconds: 1),
        ]
        try journal.append(records)
        let (ended, _) = try SweepJournal.replay(bytes, specification, path)
        #expect(ended.interrupted.isEmpty && ended.trials.map(\.attemptCount) == [4] && ended.trials.map(\.phase) == [.ended(0.5)])
    }

    @Test("a torn line is removed before the next record is written")
    func tornLine() throws {
        let specification = try specification()
        let records = try write(specification)
        var torn = bytes
        torn.removeLast(5)
        try Data(torn).write(to: URL(fileURLWithPath: path))
        let (journal, _) = try SweepJournal.open(specification, in: scratch.path)
        try journal.append([records[records.count - 1]])
        let (progress, _) = try SweepJournal.replay(bytes, specification, path)
        #expect(progress.next == .done && progress.trials.allSatisfy { $0.phase != .running && $0.phase != .interrupted })
    }

    @Test("a folder with another specification is refused, and the difference is told")
    func otherSpecification() throws {
        _ = try write(specification())
        let status = #expect(throws: Status.self) { _ = try SweepJournal.open(specification(keep: 2), in: scratch.path) }
        #expect(status?.code == .failedPrecondition)
        #expect(
            status?.message
                == "\(path), line 1: the folder has a sweep of another specification: 'keep' is 1, and is 2 now; expected the same specification or another folder"
        )
    }

    @Test("two sweeps do not work in one folder at once")
    func lock() throws {
        let specification = try specification()
        let opened = try SweepJournal.open(specification, in: scratch.path)
        let status = #expect(throws: Status.self) { _ = try SweepJournal.open(specification, in: scratch.path) }
        #expect(status?.code == .failedPrecondition && status?.message.contains("found a sweep that runs in it") == true)
        withExtendedLifetime(opened.journal) {}
    }

    @Test("another version, a line that is damaged, and a record that does not follow are errors with the line")
    func damage() throws {
        let specification = try specification()
        _ = try write(specification)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        func failure(_ lines: [String]) -> Status? {
            #expect(throws: Status.self) { try SweepJournal.replay(Array((lines.joined(separator: "\n") + "\n").utf8), specification, "j") }
        }
        let newer = lines[0].replacingOccurrences(of: "\"version\":1", with: "\"version\":2")
        #expect(failure([newer]) == .failedPrecondition("j, line 1: expected version 1 of the journal, found 2"))
        #expect(failure(["{}"])?.message.hasPrefix("j, line 1: expected the journal of a sweep") == true)
        #expect(failure([lines[0], "{\"event\""])?.message.hasPrefix("j, line 2: line 1, column 9: expected ':'") == true)
        #expect(failure([lines[0], "{\"event\":\"slept\",\"trial\":0}"])?.message.contains("event: expected one of \"started\"") == true)
        #expect(failure([lines[0], "{\"event\":\"lost\",\"trial\":5,\"server\":\"a\",\"reason\":\"r\",\"seconds\":1}"])?.code == .dataLoss)
        let otherRung = lines[1].replacingOccurrences(of: "\"rung\":0", with: "\"rung\":7")
        #expect(failure([lines[0], lines[1], otherRung])?.message.contains("which the search has not chosen") == true)
        #expect(failure([lines[0], lines[1].replacingOccurrences(of: "\"trial\":0", with: "\"trial\":99999999")])?.code == .dataLoss)
    }

    @Test(
        "a record is read as it was written",
        arguments: [
            .started(SearchJob(trial: 3, rung: 1, steps: 9), server: "a:1", configuration: ["x": .number(0.1), "y": .text("é\n"), "z": .boolean(true)]),
            .reported(trial: 0, TrialReport(step: 5, metrics: ["loss": 0.25, "accuracy": 1], checkpoint: "c/m-5")),
            .ended(trial: 1, TrialReport(step: 9, metrics: [:]), seconds: 1.5), .lost(trial: 2, server: "slot 0", reason: "\"gone\"", seconds: 0),
            .failed(trial: 4, .invalidArgument("no"), seconds: 0.125),
        ] as [SweepRecord])
    func records(_ record: SweepRecord) throws {
        #expect(try SweepRecord(JSONValue(parsing: record.json.description)) == record)
    }

    @Test("a metric that is not finite is read as not a number")
    func notFinite() throws {
        let record = SweepRecord.reported(trial: 0, TrialReport(step: 1, metrics: ["norm": .infinity]))
        guard case .reported(_, let report) = try SweepRecord(JSONValue(parsing: record.json.description)) else { Issue.record("another event"); return }
        #expect(report.metrics["norm"]?.isNaN == true)
    }
}
