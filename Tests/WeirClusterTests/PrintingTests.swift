import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting
import WeirWire

@testable import WeirCluster

@Suite("Printing of sessions, servers and what they return")
struct PrintingTests {
    @Test("sessions and servers print their targets")
    func targets() async throws {
        let b = GraphBuilder(registry: .standard)
        b.add("NoOp")
        let local = try await Session(b.graph())
        #expect("\(local)" == "<Session in process nodes=1>")
        try await TestCluster.with([("worker", 1)]) { cluster in
            let server = try cluster.server("worker")
            #expect("\(server)" == "<Server /job:worker/replica:0/task:0 target=\(server.target)>")
            let session = try await Session(b.graph(), target: .server(server))
            #expect("\(session)" == "<Session target=\(server.target) nodes=1>")
            try await session.close()
        }
    }

    @Test("clusters and devices print as in TensorFlow")
    func clusters() throws {
        #expect("\(try ClusterSpec(["ps": ["a:1"]]))" == #"ClusterSpec({"ps":["a:1"]})"#)
        let device = DeviceAttributes(
            name: DeviceName(job: "ps", replica: 0, task: 0, type: "CPU", index: 0), type: "CPU", memoryLimit: 256, incarnation: 7)
        #expect("\(device)" == "DeviceAttributes(/job:ps/replica:0/task:0/device:CPU:0, CPU, 256, 7)")
    }

    @Test("metadata print the longest node runs")
    func metadata() {
        let short = NodeTime(node: "x", op: "Neg", device: "cpu", start: 1_000, end: 2_250)
        let long = NodeTime(node: "y", op: "MatMul", device: "cpu", start: 2_000, end: 3_002_000, outputTypes: [.float32], outputShapes: [[2, 2]])
        #expect(
            "\(RunMetadata(times: [short, long]))" == """
                RunMetadata: 2 node runs in 3.0 ms, 0 partition graphs
                  y (MatMul) on cpu: 3.0 ms, float[2,2]
                  x (Neg) on cpu: 1.2 µs
                """)
        #expect("\(RunMetadata())" == "RunMetadata: 0 node runs in 0.0 µs, 0 partition graphs")
    }
}
