import Testing
import WeirTensor

@testable import WeirTrain

@Suite("Comparison of strategies")
struct StrategyComparisonTests {
    private static let server = "/job:ps/replica:0/task:0"
    private static let worker = "/job:worker/replica:0/task:0"

    private static func run(_ node: String, _ op: String, _ start: Int, _ end: Int, after inputs: [String] = [], waits: Bool = false) -> StepTimeline.Interval {
        var run = StepTimeline.Interval(node: node, op: op, kind: waits ? .transfer : .forward, start: start, end: end)
        run.inputs = inputs
        run.isWaiting = waits
        return run
    }

    /// A step of 1 ms: the parameter server reads and sends, the worker waits for it and computes.
    static let timeline = StepTimeline(
        lanes: [
            .init(
                task: server, device: "CPU:0",
                intervals: [run("w/read", "ReadVariableOp", 0, 200_000), run("send", "_Send", 200_000, 250_000, after: ["w/read"])]),
            .init(
                task: worker, device: "CPU:0",
                intervals: [
                    run("receive", "_Recv", 0, 500_000, waits: true), run("dense", "MatMul", 500_000, 1_000_000, after: ["receive"]),
                ]),
        ],
        arrows: [.init(edge: "e", source: .init(0, 1), target: .init(1, 0), byteCount: 12_300, start: 250_000, end: 500_000)])

    static func report(
        stepsPerSecond: Double, samplesPerSecond: Double, bytesMoved: Int = 0, staleness: [Int: Int] = [:], accuracy: Double? = nil,
        timelines: [(step: Int, timeline: StepTimeline)] = []
    ) -> TrainingReport {
        var report = TrainingReport(
            trainMetrics: [:], testMetrics: accuracy.map { ["accuracy": $0] } ?? [:], testRowCount: 30, stepCount: 2, seconds: 0.25,
            stepsPerSecond: stepsPerSecond, samplesPerSecond: samplesPerSecond, updatesByWorker: [2], droppedGradients: 1, staleness: staleness,
            bytesMoved: bytesMoved, losses: [], placement: [("\(server)/device:CPU:0", 7, 640), ("\(worker)/device:CPU:0", 9, 0)])
        report.timelines = timelines
        return report
    }

    private let comparison = StrategyComparison([
        .init(
            strategy: "async", cluster: "ps=1,worker=1",
            outcome: .trained(
                report(
                    stepsPerSecond: 123.456, samplesPerSecond: 3950.6, bytesMoved: 24_600, staleness: [0: 1, 3: 1], accuracy: 0.98761,
                    timelines: [(3, timeline)])), memory: ["/job:ps/task:0": 50_000_000, "/job:worker/task:0": 70_500_000]),
        .init(
            strategy: "single", cluster: "this process, cpu=1", outcome: .trained(report(stepsPerSecond: 9.876, samplesPerSecond: 316)),
            memory: ["this process": 12_000_000]),
        .init(strategy: "sync", cluster: "this process, gpu=2", outcome: .inapplicable(.invalidArgument("needs\nworkers"))),
        .init(strategy: "allreduce", cluster: "worker=4", outcome: .failed(.unavailable("worker \"3\" is gone"))),
    ])

    @Test("with several networks, a table has a row for each network's metric and a column for each strategy")
    func networks() {
        func entry(_ network: String, _ strategy: String, _ cluster: String, _ metrics: [String: Double]?) -> StrategyComparison.Entry {
            var report = StrategyComparisonTests.report(stepsPerSecond: 1, samplesPerSecond: 1)
            report.testMetrics = metrics ?? [:]
            return .init(network: network, strategy: strategy, cluster: cluster, outcome: metrics == nil ? .failed(.unavailable("gone")) : .trained(report))
        }
        let several = StrategyComparison([
            entry("cnn", "single", "cpu=1", ["accuracy": 0.99]), entry("cnn", "sync", "worker=2", ["accuracy": 0.98]),
            entry("cnn", "sync", "worker=3", ["accuracy": 0.97]), entry("vae", "single", "cpu=1", ["error": 0.25, "kl": 15]),
            entry("vae", "sync", "worker=2", nil),
        ])
        #expect(
            several.gridLines == [
                "", "networks by strategies", "network  metric    single       sync", "cnn      accuracy    0.99  0.97–0.98",
                "vae      error       0.25          –", "vae      kl            15          –",
            ])
        #expect(several.entries[0].json.hasPrefix("{\"network\":\"cnn\",\"strategy\":\"single\""))
        #expect(comparison.gridLines.isEmpty)
    }

    @Test("the table has a row for each training, and below it what moved and the memory of each process")
    func table() {
        #expect(
            comparison.table == """
                strategy   cluster              steps/s  rows/s  bytes/step   worked  waited    memory  accuracy    staleness
                async      ps=1,worker=1            123    3951     12.3 kB  25–50 %  0–50 %  120.5 MB    0.9876  1.5 (max 3)
                single     this process, cpu=1     9.88     316         0 B        –       –   12.0 MB         –            0
                sync       this process, gpu=2  does not apply: needs workers
                allreduce  worker=4             failed: worker "3" is gone

                bytes of the traced step by link
                  async, ps=1,worker=1: ps 0 → worker 0 12.3 kB

                greatest memory by process
                  async, ps=1,worker=1: ps 0 50.0 MB, worker 0 70.5 MB
                """)
    }

    @Test("a comparison without trainings is a header")
    func empty() {
        #expect(
            StrategyComparison().table
                == "strategy  cluster  steps/s  rows/s  bytes/step  worked  waited  memory  staleness")
        #expect(StrategyComparison().json == "[\n\n]\n" && StrategyComparison().jsonLines.isEmpty)
    }

    @Test("each training is one JSON object, with null for what is not known")
    func json() {
        let placement =
            #"{"placement":[{"device":"/job:ps/replica:0/task:0/device:CPU:0","ops":7,"bytes":640},"#
            + #"{"device":"/job:worker/replica:0/task:0/device:CPU:0","ops":9,"bytes":0}]"#
        #expect(
            comparison.jsonLines == [
                #"{"strategy":"async","cluster":"ps=1,worker=1","outcome":"trained","steps":2,"seconds":0.25,"steps_per_s":123.456,"#
                    + #""rows_per_s":3950.6,"bytes_per_step":12300,"accuracy":0.98761,"metrics":{"accuracy":0.98761},"dropped_gradients":1,"staleness":{"0":1,"3":1},"#
                    + #""memory_bytes":{"/job:ps/task:0":50000000,"/job:worker/task:0":70500000},"summary":"# + placement
                    + #","step":3,"step_ns":1000000,"devices":[{"device":"/job:ps/replica:0/task:0/CPU:0","worked":0.25,"waited":0.0,"idle":0.75},"#
                    + #"{"device":"/job:worker/replica:0/task:0/CPU:0","worked":0.5,"waited":0.5,"idle":0.0}],"#
                    + #""links":[{"from":"/job:ps/replica:0/task:0","to":"/job:worker/replica:0/task:0","bytes":12300,"tensors":1,"moving_ns":250000}],"#
                    + #""critical_path_ns":1000000,"critical_path":["#
                    + #"{"node":"dense","op":"MatMul","device":"/job:worker/replica:0/task:0/CPU:0","ns":500000},"#
                    + #"{"node":"receive","op":"_Recv","device":"/job:worker/replica:0/task:0/CPU:0","ns":250000},"#
                    + #"{"node":"w/read","op":"ReadVariableOp","device":"/job:ps/replica:0/task:0/CPU:0","ns":200000},"#
                    + #"{"node":"send","op":"_Send","device":"/job:ps/replica:0/task:0/CPU:0","ns":50000}],"notes":[]}}"#,
                #"{"strategy":"single","cluster":"this process, cpu=1","outcome":"trained","steps":2,"seconds":0.25,"steps_per_s":9.876,"#
                    + #""rows_per_s":316.0,"bytes_per_step":0,"accuracy":null,"metrics":{},"dropped_gradients":1,"staleness":{},"#
                    + #""memory_bytes":{"this process":12000000},"summary":"# + placement + "}}",
                #"{"strategy":"sync","cluster":"this process, gpu=2","outcome":"inapplicable","code":"INVALID_ARGUMENT","reason":"needs\nworkers"}"#,
                #"{"strategy":"allreduce","cluster":"worker=4","outcome":"failed","code":"UNAVAILABLE","reason":"worker \"3\" is gone"}"#,
            ])
    }

    @Test("only failures are failures")
    func failures() {
        #expect(comparison.entries.map { $0.failure?.code } == [nil, nil, nil, .unavailable])
        #expect(comparison.entries.map { $0.report != nil } == [true, true, false, false])
    }

    @Test("the picture has a panel for each training that has a traced step")
    func picture() {
        #expect(comparison.svg.contains(">async, ps=1,worker=1<") && !comparison.svg.contains("single"))
    }
}

@Suite("Summary of a training")
struct TrainingSummaryTests {
    @Test("it has the traced step, devices with their ops, links and the longest parts of the path")
    func rows() {
        let report = StrategyComparisonTests.report(
            stepsPerSecond: 1, samplesPerSecond: 1, timelines: [(3, StrategyComparisonTests.timeline), (9, StepTimeline(lanes: []))])
        #expect(
            TrainingSummary(report).rows == [
                ["traced step", "3, which took 1.0 ms"],
                ["ps 0 CPU:0", "worked 25 %, waited 0 %, idle 75 %; 7 ops, 640 B"],
                ["worker 0 CPU:0", "worked 50 %, waited 50 %, idle 0 %; 9 ops, 0 B"],
                ["ps 0 → worker 0", "12.3 kB in 1 tensors a step"],
                ["critical path", "500.0 µs MatMul dense, worker 0 CPU:0 (of 1.0 ms)"],
                ["", "250.0 µs _Recv receive, worker 0 CPU:0"],
                ["", "200.0 µs ReadVariableOp w/read, ps 0 CPU:0"],
            ])
    }

    @Test("without a traced step it has the placement")
    func untraced() {
        let rows = TrainingSummary(StrategyComparisonTests.report(stepsPerSecond: 1, samplesPerSecond: 1)).rows
        #expect(rows == [["ps 0 CPU:0", "7 ops, 640 B"], ["worker 0 CPU:0", "9 ops, 0 B"]])
    }

    @Test("of many devices the first are shown and the others counted")
    func manyDevices() {
        let lanes = (0..<20).map { StepTimeline.Lane(task: "/job:worker/replica:0/task:\($0)", device: "CPU:0", intervals: []) }
        var report = StrategyComparisonTests.report(stepsPerSecond: 1, samplesPerSecond: 1, timelines: [(1, StepTimeline(lanes: lanes))])
        report.placement = []
        let rows = TrainingSummary(report).rows
        #expect(rows.count == 10 && rows.last == ["", "and 12 more devices"])
    }
}
