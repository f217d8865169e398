import Testing
import Weir

@testable import WeirTrain

@Suite("Schedules of pipelines")
struct PipelineScheduleTests {
    /// When each stage ends each work, if forward takes 1 and backward 2; nil if some work waits forever.
    private func ends(_ schedule: PipelineSchedule) -> (ends: [[PipelineSchedule.Work: Int]], length: Int)? {
        let order = (0..<schedule.stageCount).map(schedule.work)
        var next = [Int](repeating: 0, count: schedule.stageCount)
        var free = next
        var ends = [[PipelineSchedule.Work: Int]](repeating: [:], count: schedule.stageCount)
        var isMoving = true
        while isMoving {
            isMoving = false
            for stage in order.indices where next[stage] < order[stage].count {
                let work = order[stage][next[stage]]
                var ready = free[stage]
                switch work {
                case .forward(let number):
                    if stage > 0 {
                        guard let before = ends[stage - 1][.forward(number)] else { continue }
                        ready = max(ready, before)
                    }
                case .backward(let number):
                    guard let own = ends[stage][.forward(number)] else { continue }
                    ready = max(ready, own)
                    if stage + 1 < order.count {
                        guard let after = ends[stage + 1][.backward(number)] else { continue }
                        ready = max(ready, after)
                    }
                }
                if case .forward = work { free[stage] = ready + 1 } else { free[stage] = ready + 2 }
                ends[stage][work] = free[stage]
                next[stage] += 1
                isMoving = true
            }
        }
        guard zip(next, order).allSatisfy({ $0 == $1.count }) else { return nil }
        return (ends, free.max() ?? 0)
    }
    private func text(_ schedule: PipelineSchedule, _ stage: Int) -> String {
        schedule.work(ofStage: stage).map { work in
            switch work {
            case .forward(let number): "F\(number)"
            case .backward(let number): "B\(number)"
            }
        }.joined(separator: " ")
    }

    @Test("GPipe's order is that of the paper's figure 2, with backwards in the order of the micro-batches")
    func gPipe() throws {
        let schedule = try PipelineSchedule(.gPipe, stages: 4, microBatches: 4)
        for stage in 0..<4 { #expect(text(schedule, stage) == "F0 F1 F2 F3 B0 B1 B2 B3") }
        #expect(schedule.bubbleShare == 3.0 / 7)
    }

    @Test("1F1B's order is that of figure 4 of Narayanan et al.: 4 stages, 8 micro-batches")
    func oneForwardOneBackward() throws {
        let schedule = try PipelineSchedule(.oneForwardOneBackward, stages: 4, microBatches: 8)
        #expect(text(schedule, 0) == "F0 F1 F2 F3 B0 F4 B1 F5 B2 F6 B3 F7 B4 B5 B6 B7")
        #expect(text(schedule, 1) == "F0 F1 F2 B0 F3 B1 F4 B2 F5 B3 F6 B4 F7 B5 B6 B7")
        #expect(text(schedule, 2) == "F0 F1 B0 F2 B1 F3 B2 F4 B3 F5 B4 F6 B5 F7 B6 B7")
        #expect(text(schedule, 3) == "F0 B0 F1 B1 F2 B2 F3 B3 F4 B4 F5 B5 F6 B6 F7 B7")
    }

    @Test("no schedule waits forever, each does all work once, and the bubble is what it says", arguments: PipelineSchedule.Order.allCases)
    func simulated(_ order: PipelineSchedule.Order) throws {
        for stages in 1...16 {
            for microBatches in 1...16 {
                let schedule = try PipelineSchedule(order, stages: stages, microBatches: microBatches)
                let found = try #require(ends(schedule), "\(stages) stages, \(microBatches) micro-batches")
                for stage in 0..<stages {
                    #expect(found.ends[stage].count == 2 * microBatches && schedule.work(ofStage: stage).count == 2 * microBatches)
                }
                let idle = 1 - Double(3 * microBatches) / Double(found.length)
                #expect(abs(idle - schedule.bubbleShare) < 1e-12, "\(stages) stages, \(microBatches) micro-batches")
            }
        }
    }

    @Test("a stage never keeps the activations of more micro-batches than it says", arguments: PipelineSchedule.Order.allCases)
    func memory(_ order: PipelineSchedule.Order) throws {
        for stages in 1...16 {
            for microBatches in 1...16 {
                let schedule = try PipelineSchedule(order, stages: stages, microBatches: microBatches)
                for stage in 0..<stages {
                    var (live, most) = (0, 0)
                    for work in schedule.work(ofStage: stage) {
                        if case .forward = work { live += 1 } else { live -= 1 }
                        most = max(most, live)
                    }
                    #expect(live == 0 && most == schedule.liveMicroBatchCount(ofStage: stage))
                    if order == .oneForwardOneBackward { #expect(most <= stages - stage) }
                }
            }
        }
    }

    @Test("a pipeline without stages or micro-batches is an error", arguments: [(0, 1), (1, 0), (-1, 3)])
    func empty(_ stages: Int, _ microBatches: Int) {
        let error = #expect(throws: Status.self) { try PipelineSchedule(.gPipe, stages: stages, microBatches: microBatches) }
        #expect(error?.code == .invalidArgument)
    }
}
