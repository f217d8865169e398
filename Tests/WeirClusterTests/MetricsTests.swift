import Foundation
import MetricsTestKit
import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

@Suite("Metrics of servers", .serialized, .timeLimit(.minutes(1)))
struct MetricsTests {
    private static let (ps, worker) = ("/job:ps/replica:0/task:0", "/job:worker/replica:0/task:0")
    private static let elementCount = 100_000
    private let metrics = TestMetrics()

    /// Runs `body` with a session on the worker of a cluster. Its graph has `x`, a tensor that the parameter server makes and the
    /// worker negates, `bad`, which fails on the parameter server, and `assigned`, which fills a variable on its GPU.
    private func withSession(_ body: (Session, _ x: Output, _ bad: Output, _ assigned: WeirGraph.Operation) async throws -> Void) async throws {
        var options = ServerOptions()
        options.metrics = metrics
        options.runtime.simulatedGPUCount = 1
        try await TestCluster.with([("ps", 1), ("worker", 1)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            let (made, unfed) = b.device("/job:ps/task:0/device:CPU:0") {
                let shape = b.constant(Tensor([Int32(MetricsTests.elementCount)]))
                return (
                    b.add("RandomUniform", [shape], name: "made", attributes: ["dtype": .type(.float32)])[0],
                    b.add("Placeholder", name: "unfed", attributes: ["dtype": .type(.float32)])[0]
                )
            }
            let (x, bad) = b.device("/job:worker/task:0/device:CPU:0") { (b.add("Neg", [made])[0], b.add("Neg", [unfed])[0]) }
            let assigned = b.device("/job:ps/task:0/device:GPU:0") {
                let variable = b.add("VariableV2", name: "v", attributes: ["dtype": .type(.float32), "shape": .shape([1000])])[0]
                return b.add("Assign", [variable, b.constant(Tensor([Float](repeating: 1, count: 1000)))], name: "assigned")
            }
            let session = try await Session(b.graph(), target: .server(cluster.server("worker")))
            try await body(session, x, bad, assigned)
            try await session.close()
        }
    }

    private func count(_ label: String, _ task: String, _ dimension: (String, String)) throws -> Int {
        Int(try metrics.expectCounter(label, [("task", task), dimension]).totalValue)
    }
    private func meter(_ label: String, _ task: String) throws -> TestMeter { try metrics.expectMeter(label, [("task", task)]) }
    private func timings(_ label: String, _ task: String) throws -> Int { try metrics.expectTimer(label, [("task", task)]).values.count }

    @Test("after N steps the counters of steps, partitions and receives say N, and the bytes are at least the tensors'")
    func steps() async throws {
        let stepCount = 10
        try await withSession { session, x, _, _ in
            for _ in 0..<stepCount { _ = try await session.run(x) }
            #expect(try meter("weir_sessions", MetricsTests.worker).lastValue == 1)
        }
        let (ps, worker) = (MetricsTests.ps, MetricsTests.worker)
        #expect(try count("weir_steps_total", worker, ("code", "OK")) == stepCount)
        #expect(try count("weir_steps_total", ps, ("code", "OK")) == 0)
        #expect(try timings("weir_step_duration_seconds", worker) == stepCount)
        #expect(try timings("weir_step_compile_duration_seconds", worker) == 1)
        for task in [ps, worker] {
            #expect(try count("weir_partitions_total", task, ("code", "OK")) == stepCount)
            #expect(try timings("weir_partition_duration_seconds", task) == stepCount)
            #expect(try meter("weir_compute_queue_jobs", task).values.count == stepCount)
        }
        #expect(try timings("weir_receive_wait_seconds", ps) == stepCount)
        #expect(try meter("weir_receives_waiting", ps).values.max() == 1)
        #expect(try meter("weir_receives_waiting", ps).lastValue == 0)
        let byteCount = stepCount * MetricsTests.elementCount * 4
        #expect(try count("weir_link_received_bytes_total", worker, ("peer", ps)) >= byteCount)
        #expect(try count("weir_link_sent_bytes_total", ps, ("peer", worker)) >= byteCount)
        #expect(try count("weir_link_sent_bytes_total", worker, ("peer", ps)) < byteCount)
        #expect(try meter("weir_sessions", worker).lastValue == 0)
        #expect(try metrics.counterTotal(label: "weir_steps_total") == stepCount)
    }

    @Test("a failed step and its partition count under the code of the failure, and nothing waits any more")
    func failures() async throws {
        try await withSession { session, _, bad, _ in
            await #expect(throws: Status.self) { try await session.run(bad) }
            let waiting = try meter("weir_receives_waiting", MetricsTests.ps)
            // The request of the failed step is cancelled after the client has its status.
            while waiting.lastValue != 0, waiting.lastValue != nil { await Task.yield() }
        }
        #expect(try count("weir_steps_total", MetricsTests.worker, ("code", "INVALID_ARGUMENT")) == 1)
        #expect(try count("weir_partitions_total", MetricsTests.ps, ("code", "INVALID_ARGUMENT")) == 1)
        #expect(try count("weir_steps_total", MetricsTests.worker, ("code", "OK")) == 0)
        #expect(try timings("weir_step_duration_seconds", MetricsTests.worker) == 1)
    }

    @Test("the memory of a variable on a GPU is in use, and below the limit")
    func memory() async throws {
        try await withSession { session, _, _, assigned in try await session.run(assigned) }
        func value(_ part: String) throws -> Double {
            let device = ("device", MetricsTests.ps + "/device:GPU:0")
            return try metrics.expectMeter("weir_device_memory_\(part)_bytes", [("task", MetricsTests.ps), device]).lastValue ?? 0
        }
        #expect(try value("used") >= 4000)
        #expect(try value("peak") >= value("used"))
        #expect(try value("limit") == Double(RuntimeOptions().simulatedGPUMemory))
    }

    @Test("a session in process makes no instruments")
    func inProcess() async throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.scalar(1, .float32)
        _ = try await Session(b.graph()).run(x)
        #expect(metrics.counters.isEmpty && metrics.meters.isEmpty && metrics.timers.isEmpty)
    }

    @Test("the table of docs/metrics.md is what a server has made after a step over two tasks")
    func table() async throws {
        try await withSession { session, x, _, _ in _ = try await session.run(x) }
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("docs/metrics.md")
        let rows = try String(contentsOf: page, encoding: .utf8).split(separator: "\n").filter { $0.hasPrefix("| `weir_") }
        let documented = rows.map { row in
            let cells = row.split(separator: "|").prefix(3).map { $0.filter { $0 != "`" && $0 != " " } }
            return "\(cells[1]) \(cells[0]) \(cells[2])"
        }
        func line(_ kind: String, _ label: String, _ dimensions: [(String, String)]) -> String {
            #expect(dimensions.contains { $0 == ("task", MetricsTests.ps) || $0 == ("task", MetricsTests.worker) }, "\(label)")
            return "\(kind) \(label) \(dimensions.map(\.0).filter { $0 != "task" }.joined(separator: ","))"
        }
        let made =
            metrics.counters.map { line("counter", $0.label, $0.dimensions) } + metrics.meters.map { line("meter", $0.label, $0.dimensions) }
            + metrics.timers.map { line("timer", $0.label, $0.dimensions) }
        #expect(Set(documented).sorted() == Set(made).sorted())
        #expect(documented.count == Set(documented).count)
        #expect(metrics.recorders.isEmpty)
    }

    @Test("links with more peers than have counters of their own share one")
    func peers() {
        let server = ServerMetrics(metrics, task: DeviceName(job: "ps", replica: 0, task: 0), devices: [])
        for task in 0..<ServerMetrics.maximumPeers + 5 { _ = server.link(with: DeviceName(job: "worker", replica: 0, task: task)) }
        #expect(metrics.counters(label: "weir_link_sent_bytes_total").count == ServerMetrics.maximumPeers + 1)
        #expect(metrics.counters(label: "weir_link_sent_bytes_total", dimensions: [("peer", "other")]).count == 1)
    }

    @Test("a hello frame carries the peer's task, unless its name is too long or malformed")
    func hello() throws {
        func received(_ task: DeviceName?) throws -> DeviceName? {
            let frame = LinkHello(link: 1, secret: 2, role: .bulk, sharesMemory: true, task: task).frame
            #expect(frame.head.count <= LinkHello.maximumHeadByteCount)
            return try LinkHello(frame).task
        }
        let task = DeviceName(job: "worker", replica: 0, task: 3)
        #expect(try received(task) == task)
        #expect(try received(nil) == nil)
        #expect(try received(DeviceName(job: String(repeating: "a", count: 2000), replica: 0, task: 3)) == nil)
        #expect(try received(DeviceName(job: "a\"b", replica: 0, task: 3)) == nil)
        #expect(try received(DeviceName(type: "GPU")) == nil)
    }
}
