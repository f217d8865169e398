import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirTensor
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

    @Test("workers with several devices use all of them", arguments: [(SynchronousReplicas(), 2), (AsynchronousReplicas(), 1)] as [(any Strategy, Int)])
    func devices(_ strategy: any Strategy, _ workers: Int) async throws {
        var options = ServerOptions()
        options.runtime.cpuCount = 3
        try await TestCluster.with([("ps", 1), ("worker", workers)], options: options) { cluster in
            let devices = ["/cpu:0", "/cpu:1", "/cpu:2"]
            try await SameGradients.check(strategy, seed: 5, dtype: .float64, shards: 3 * workers, cluster: cluster.spec, devices: devices)
            let setting = TrainingSetting(cluster: cluster.spec, devices: devices, optimizer: GradientDescent(learningRate: 0.1), batchSize: 2)
            let model = try ModelGraph(RandomNetwork(seed: 5, dtype: .float32))
            for client in try strategy.plan(model, setting).clients {
                #expect(client.shards.map(\.number) == Array(client.worker * 3..<client.worker * 3 + 3))
                let used = Set(try client.graph.nodes.map { try DeviceName($0.requestedDevice) })
                for device in devices { #expect(used.contains(try DeviceName("/job:worker/task:\(client.worker)\(device)"))) }
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
