import Testing
import Weir
import WeirTensor
import WeirTesting

@testable import WeirTrain

@Suite("Meshes of devices", .serialized)
struct MeshParallelTests {
    private static let meshes = ["data=2,model=2", "model=2,data=2", "data=3", "data=2", "data=3,model=2", "model=2"]
    private static func devices(_ count: Int) -> [String] { (0..<count).map { "/cpu:\($0)" } }

    @Test("gradients are those of one device", arguments: UInt64(1)...4, meshes)
    func gradients(_ seed: UInt64, _ text: String) async throws {
        let axes = try DeviceMesh.axes(text)
        let count = axes.reduce(1) { $0 * $1.size }
        for dtype in [DType.float32, .float64] {
            try await SameGradients.check(
                MeshParallel(axes: axes), seed: seed, dtype: dtype, shards: axes.first { $0.name == "data" }?.size ?? 1, batchSize: 4,
                devices: MeshParallelTests.devices(count), localDevices: LocalDevices(cpuCount: count))
        }
    }

    @Test("a mesh spans the workers of a cluster")
    func cluster() async throws {
        try await TestCluster.with([("worker", 4)]) { cluster in
            try await SameGradients.check(
                MeshParallel(["data": 2, "model": 2]), seed: 2, dtype: .float64, shards: 2, cluster: cluster.spec)
        }
    }

    @Test("held-out rows in any number are evaluated")
    func training() async throws {
        let table = try Table.iris()
        var options = try TrainingOptions(
            DenseNetwork(inputCount: 4, hidden: [16], classCount: 3), table: table, strategy: MeshParallel(["data": 2, "model": 2]),
            optimizer: Adam(learningRate: 0.02), stepCount: 150, batchSize: 16)
        options.devices = MeshParallelTests.devices(4)
        options.localDevices = try LocalDevices(cpuCount: 4)
        // 15 rows.
        let split = table.fold(0, of: 10, seed: 1)
        #expect(split.test.rowCount % 2 == 1)
        options.foldCount = 10
        let report = try await Trainer(options).run()
        #expect(report.testAccuracy >= 0.8)
    }

    @Test("a mesh that does not fit is an error")
    func impossible() throws {
        let model = try ModelGraph(DenseNetwork(inputCount: 4, hidden: [8], classCount: 3))
        func failure(_ axes: KeyValuePairs<String, Int>, rules: [(String, VariableCut)] = [], devices: Int, batchSize: Int = 8) -> String {
            let setting = TrainingSetting(devices: MeshParallelTests.devices(devices), optimizer: GradientDescent(learningRate: 0.1), batchSize: batchSize)
            let status = #expect(throws: Status.self) { try MeshParallel(axes, rules: rules).plan(model, setting) }
            #expect(status?.code == .invalidArgument)
            return status?.message ?? ""
        }
        #expect(failure(["data": 2, "model": 2], devices: 3).contains("needs 4 devices, found 3"))
        #expect(failure(["rows": 2], devices: 2).contains("'rows'"))
        #expect(failure(["data": 2], rules: [("output", .rows)], devices: 2).contains("'output'"))
        #expect(failure(["data": 2], devices: 2, batchSize: 0).contains("found 0 rows"))
    }
}
