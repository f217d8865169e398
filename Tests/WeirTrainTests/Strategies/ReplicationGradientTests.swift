import Testing
import Weir
import WeirTesting

@testable import WeirTrain

@Suite("Gradients of replicas", .serialized)
struct ReplicationGradientTests {
    @Test("towers on several devices have the gradients of one device", arguments: UInt64(1)...6, [DType.float32, .float64])
    func inGraph(_ seed: UInt64, _ dtype: DType) async throws {
        try await SameGradients.check(
            InGraphReplication(), seed: seed, dtype: dtype, shards: 3, devices: ["/cpu:0", "/cpu:1", "/cpu:2"], localDevices: LocalDevices(cpuCount: 3))
    }

    @Test("synchronous replicas on a cluster have the gradients of one device", arguments: [DType.float32, .float64])
    func synchronous(_ dtype: DType) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 3)]) { cluster in
            for seed in UInt64(1)...4 {
                try await SameGradients.check(SynchronousReplicas(), seed: seed, dtype: dtype, shards: 3, cluster: cluster.spec)
            }
        }
    }

    @Test("one asynchronous worker has the gradients of one device", arguments: [DType.float32, .float64])
    func asynchronous(_ dtype: DType) async throws {
        try await TestCluster.with([("ps", 2), ("worker", 1)]) { cluster in
            try await SameGradients.check(AsynchronousReplicas(), seed: 3, dtype: dtype, shards: 1, cluster: cluster.spec)
        }
    }
}
