import Synchronization
import Testing
import Weir
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor
import WeirTesting

@testable import WeirCluster

/// Kernels run on the compute pool, because they may take long and Swift's cooperative pool has only one thread per core.
@Suite("Threads of kernels", .serialized, .timeLimit(.minutes(1)))
struct KernelThreadTests {
    /// Counts an op's kernel runs on threads of the compute pool, and on other threads.
    private final class Turns: Sendable {
        let pool = Atomic<Int>(0)
        let others = Atomic<Int>(0)
        func note() {
            if ComputePool.isOnPoolThread { pool.wrappingAdd(1, ordering: .relaxed) } else { others.wrappingAdd(1, ordering: .relaxed) }
        }
    }
    private func probe(_ name: String, _ turns: Turns, isStateful: Bool) -> OpDefinition {
        let op = OpDefinition(name, "(x: float) -> (y: float)").shape { c in c.setOutput(0, c.input(0)) }.noGradient()
        return (isStateful ? op.stateful() : op).kernel { _ in
            .sync { context in
                turns.note()
                context.setOutput(0, context.input(0))
            }
        }
    }

    @Test("kernels run on the pool: in a server, in process, in every step and in constant folding", arguments: [false, true])
    func threads(_ throughServer: Bool) async throws {
        let run = Turns(), folded = Turns()
        let registry = OpRegistry.standard.adding(probe("RunProbe", run, isStateful: true)).adding(probe("FoldProbe", folded, isStateful: false))
        let server = try await Server.createLocal(registry: registry)
        let b = GraphBuilder(registry: registry)
        let x = b.placeholder(.float32, shape: [], name: "x")
        let constant = b.add("FoldProbe", [b.scalar(2, .float32)])[0]
        let y = b.add("RunProbe", [b.add("AddV2", [x, constant])[0]], name: "y")[0]
        let session = try await Session(b.graph(), target: throughServer ? .server(server) : .inProcess, registry: registry)
        for _ in 0..<3 { #expect(try await session.run(y, feeding: [x: Tensor(Float(1))]).scalar(of: Float.self) == 3) }
        #expect(run.pool.load(ordering: .relaxed) == 3 && run.others.load(ordering: .relaxed) == 0)
        #expect(folded.pool.load(ordering: .relaxed) >= 1 && folded.others.load(ordering: .relaxed) == 0)
        try await session.close()
        await server.stop()
    }
}
