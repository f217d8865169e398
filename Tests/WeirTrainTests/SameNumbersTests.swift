import Testing
import Weir
import WeirCluster
import WeirDevice
import WeirGraph
import WeirOps
import WeirRuntime
import WeirTensor
import WeirTesting

@testable import WeirTrain

/// The same training, however it is run, loses alike.
@Suite("The same numbers", .serialized)
struct SameNumbersTests {
    /// A network whose layers are large enough to be divided among threads, and ten steps' worth of data.
    private struct Training {
        let graph: Graph
        let loss: Output
        let update: Operation
        let initialize: Operation
        let feeds: [(Output, Tensor)]

        /// - Parameter onCluster: whether the parameters lie on `/job:ps`, and the rest on `/job:worker`.
        init(onCluster: Bool) throws {
            let b = GraphBuilder(registry: .standard)
            func on<R>(_ device: String, _ body: () throws(Status) -> R) throws(Status) -> R { onCluster ? try b.device(device, body) : try body() }
            let model = try ModelGraph(DenseNetwork(inputCount: 256, hidden: [256, 64], classCount: 10, seed: 3))
            let network = try on("/job:ps/task:0") { () throws(Status) in try model.declareVariables(in: b) }
            let replica = try on("/job:worker/task:0") { () throws(Status) in try model.replica(in: b, variables: network) }
            guard let features = replica.inputs["features"], let labels = replica.inputs["labels"] else { throw Status.internalError("no inputs") }
            let mean = replica.loss
            let flows = b.device(onCluster ? "/job:worker/task:0" : nil) { b.gradients(of: [mean], with: network.parameters.map(\.value)) }
            let gradients = zip(network.parameters, flows).compactMap { variable, flow in flow.map { (variable, $0) } }
            let applied = b.device(onCluster ? "/job:ps/task:0" : nil) { b.apply(Momentum(learningRate: 0.05), gradients) }
            loss = mean
            update = applied.operation
            initialize = b.group((network.parameters + applied.variables).map(\.initializer), name: "initialize")
            graph = try b.graph()
            let rows = 256
            feeds = [
                (features, Tensor((0..<rows * 256).map { Float(($0 * 7919) % 1013) / 500 - 1 }, ofShape: [rows, 256])),
                (labels, Tensor((0..<rows).map { Int32($0 % 10) })),
            ]
        }
    }

    private func losses(threads: Int, _ execution: ExecutionOptions) throws -> [Float] {
        let training = try Training(onCluster: false)
        let name = DeviceName(job: "localhost", replica: 0, task: 0, type: "CPU", index: 0)
        let place = KernelEnvironment(
            device: CPUDevice(name: name), resources: ResourceTable(defaultContainer: "localhost"),
            pool: try ComputePool(threadCount: threads))
        var options = RuntimeOptions()
        options.execution = execution
        let session = try DirectSession(training.graph, registry: .standard, devices: LocalDevices(places: [place]), options: options)
        _ = try session.run(targets: [training.initialize.name])
        let feeds = training.feeds.map { ($0.0.name, $0.1) }
        return try (0..<10).map { _ in
            try session.run(feeds: feeds, fetches: [training.loss.name], targets: [training.update.name])[0].scalar(of: Float.self)
        }
    }

    private func losses(_ transport: ServerOptions.TensorTransport) async throws -> [Float] {
        var options = ServerOptions()
        options.tensorTransport = transport
        return try await TestCluster.with([("ps", 1), ("worker", 1)], options: options) { cluster in
            let training = try Training(onCluster: true)
            let session = try await Session(training.graph, target: .address(cluster.server("worker").target))
            try await session.run(training.initialize)
            var losses: [Float] = []
            for _ in 0..<10 {
                let feeds = Dictionary(uniqueKeysWithValues: training.feeds)
                losses.append(try await session.run(training.loss, feeding: feeds, targets: [training.update]).scalar(of: Float.self))
            }
            try await session.close()
            return losses
        }
    }

    private func isClose(_ a: [Float], _ b: [Float]) -> Bool { zip(a, b).allSatisfy { abs($0 - $1) <= 1e-5 * abs($1) } }

    @Test("optimized or not, in either way, on one thread and on several")
    func inProcess() throws {
        var plain = ExecutionOptions()
        plain.optimizer = .none
        plain.scheduling = .parallel
        let expected = try losses(threads: 1, plain)
        #expect((expected.last ?? 9) < expected[0] - 0.1, "it must learn, or the numbers say little: \(expected)")
        var execution = ExecutionOptions()
        for scheduling in [ExecutionOptions.Scheduling.sequential, .parallel, .measured] {
            execution.scheduling = scheduling
            // What the passes promise is the same bits; a product that is divided may be summed in another order.
            #expect(try losses(threads: 1, execution) == expected, "\(scheduling)")
            #expect(isClose(try losses(threads: 3, execution), expected), "\(scheduling), 3 threads")
        }
        #expect(isClose(try losses(threads: 3, plain), expected))
    }

    @Test("over links and over gRPC")
    func overTheNetwork() async throws {
        let (links, tcp, grpc) = (try await losses(.links), try await losses(.tcp), try await losses(.grpc))
        #expect(links == grpc)
        #expect(tcp == grpc)
        #expect(isClose(links, try losses(threads: 2, ExecutionOptions())))
    }
}
