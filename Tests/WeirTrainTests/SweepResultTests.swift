import Foundation
import Testing
import Weir

@testable import WeirTrain

@Suite("Results of sweeps")
struct SweepResultTests {
    /// Two trials that ended, and one that failed, of a grid.
    private func result(runCount: Int = 3) throws -> SweepResult {
        let specification = try SweepSpecification(
            base: ["steps": .integer(4)],
            parameters: [.init("hidden", .values([.text(#"10,"20""#), .text("5"), .text("1")])), .init("rate", .values([.number(0.1)]))], method: .grid,
            objective: .init("accuracy", .max), keep: 1)
        var progress = SweepProgress(specification)
        let reports = [
            TrialReport(step: 4, metrics: ["accuracy": 0.5, "loss": 2], checkpoint: "a"), TrialReport(step: 4, metrics: ["accuracy": 0.75], checkpoint: "b"),
        ]
        for trial in 0..<3 {
            let job = SearchJob(trial: trial, steps: 4)
            _ = try progress.apply(.started(job, server: "slot 0", configuration: specification.configuration(of: trial)))
            let isFailure = trial == 2
            _ = try progress.apply(
                isFailure ? .failed(trial: 2, .outOfRange("diverged\nfast"), seconds: 1) : .ended(trial: trial, reports[trial], seconds: 0.5))
        }
        #expect(progress.settleAll() == [])
        let usage = ServerUsage(
            server: .slot(0), runCount: runCount, lossCount: runCount == 0 ? 0 : 1, busySeconds: runCount == 0 ? 0 : 1.9, lostSeconds: 2, seconds: 4)
        return SweepResult(progress, [usage], .seconds(4))
    }

    @Test("the table has the ranked trials, failures last, and the servers")
    func table() throws {
        #expect(
            try result().table == """
                rank  trial  hidden   rate  accuracy  step  runs
                1     1      5        0.1   0.75      4     1
                2     0      10,"20"  0.1   0.5       4     1
                -     2      1        0.1   failed    0     1     diverged fast
                slot 0: busy 95.0 %, 3 runs, lost 1 time

                """)
    }

    @Test("a sweep that only read what was done says that nothing was left to run")
    func nothingLeft() throws {
        let (result, again) = (try result(), try result(runCount: 0))
        #expect(again.hadNothingToRun && !result.hadNothingToRun)
        #expect(again.table == result.table.replacing("slot 0: busy 95.0 %, 3 runs, lost 1 time", with: "nothing left to run"))
    }

    @Test("CSV has every field, in quotes where needed")
    func csv() throws {
        #expect(
            try result().csv == #"""
                rank,trial,rung,step,runs,seconds,parameters.hidden,parameters.rate,metrics.accuracy,metrics.loss,failure,checkpoint
                1,1,0,4,1,0.5,5,0.1,0.75,,,b
                2,0,0,4,1,0.5,"10,""20""",0.1,0.5,2.0,,
                ,2,0,0,1,1.0,1,0.1,,,"diverged
                fast",

                """#)
    }

    @Test("JSON has all that the result has")
    func json() throws {
        let json = try #require(try JSONSerialization.jsonObject(with: Data(result().jsonText.utf8)) as? [String: Any])
        let trials = try #require(json["trials"] as? [[String: Any]])
        #expect(trials.map { $0["trial"] as? Int } == [1, 0, 2] && trials.map { $0["value"] as? Double } == [0.75, 0.5, nil])
        #expect(trials[0]["checkpoint"] as? String == "b" && trials[1]["checkpoint"] == nil)
        #expect((trials[2]["failure"] as? [String: String]) == ["code": "OUT_OF_RANGE", "message": "diverged\nfast"])
        #expect((trials[1]["configuration"] as? [String: Any])?["hidden"] as? String == "10,\"20\"")
        #expect(json["busy_share"] as? Double == 0.95)
    }

    @Test("the files are written")
    func files() throws {
        let scratch = FileSystemScratch()
        let result = try result()
        try result.write(to: "\(scratch.path)/new")
        #expect(try scratch.text("new/results.csv") == result.csv && scratch.text("new/results.json") == result.jsonText + "\n")
        for name in ["new/learning-curves.svg", "new/parallel.svg"] {
            let text = try scratch.text(name)
            #expect(text.hasPrefix("<svg") && text.hasSuffix("</svg>\n"))
        }
    }
}
