import Testing
import Weir
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

/// When one task of a step fails and others wait for its tensors, the client gets the root cause.
@Suite("Root causes", .serialized, .timeLimit(.minutes(5)))
struct RootCauseTests {
    private static let transports: [ServerOptions.TensorTransport] = [.links, .tcp, .grpc]

    /// What fails: an op in the graph, an op in a function that is not inlined, or an op on a closed queue.
    enum Failing: String, CaseIterable, Sendable {
        case op, function, closedQueue
    }

    private func add(_ failing: Failing, to b: GraphBuilder, reading x: Output) -> Output {
        switch failing {
        case .op: return b.add("CheckNumerics", [b.add("Div", [x, b.scalar(0, .float32)])[0]], name: "culprit", attributes: ["message": .string("here")])[0]
        case .function:
            let check = NodeDefinition(
                name: "culprit", op: "CheckNumerics", inputs: ["x"], attributes: ["T": .type(.float32), "message": .string("here")])
            b.addFunction(
                FunctionDefinition(
                    name: "checked", inputs: [.init(name: "x", type: .fixed(.float32))], outputs: [.init(name: "y", type: .fixed(.float32))],
                    nodes: [check], returns: ["y": "culprit:output:0"], attributes: ["_noinline": .bool(true)]))
            return b.add("checked", [b.add("Div", [x, b.scalar(0, .float32)])[0]], name: "call")[0]
        case .closedQueue:
            let queue = b.add("FIFOQueueV2", name: "closed", attributes: ["component_types": .types([.float32])])[0]
            _ = b.add("QueueCloseV2", [queue], name: "close")
            return b.add("QueueDequeueV2", [queue], name: "culprit", attributes: ["component_types": .types([.float32])])[0]
        }
    }

    @Test("the root cause wins over the statuses of what it cancels, 100 times of 100", arguments: transports, Failing.allCases)
    func hundred(_ transport: ServerOptions.TensorTransport, _ failing: Failing) async throws {
        var options = ServerOptions()
        options.tensorTransport = transport
        try await TestCluster.with([("ps", 2), ("worker", 1)], options: options) { cluster in
            let b = GraphBuilder(registry: .standard)
            let x = b.placeholder(.float32, shape: [], name: "x")
            // The queue stays empty, so the dequeue waits until the step ends.
            let waits = b.device("/job:ps/task:0") {
                let queue = b.add("FIFOQueueV2", name: "empty", attributes: ["component_types": .types([.float32])])[0]
                return b.add("QueueDequeueV2", [queue], name: "waits", attributes: ["component_types": .types([.float32])])[0]
            }
            let fails = b.device(failing == .closedQueue ? "/job:ps/task:1" : "/job:worker/task:0") { add(failing, to: b, reading: x) }
            let here = b.device("/job:worker/task:0") { b.add("Neg", [waits], name: "here")[0] }
            let there = b.device("/job:ps/task:1") { b.add("AddV2", [fails, waits], name: "there")[0] }
            let both = b.device("/job:ps/task:0") { b.add("AddV2", [there, here], name: "both")[0] }
            let session = try await Session(b.graph(), target: .address(cluster.server("worker").target))
            if failing == .closedQueue { _ = try await session.run(targets: ["close"]) }
            for _ in 0..<100 {
                do {
                    _ = try await session.run(both, feeding: [x: Tensor(Float(1))])
                    Issue.record("this step cannot succeed")
                } catch {
                    let status = Status(error)
                    #expect(status.code == (failing == .closedQueue ? .outOfRange : .invalidArgument))
                    #expect(status.message.contains("culprit"), "\(status)")
                }
            }
            try await session.close()
        }
    }
}
