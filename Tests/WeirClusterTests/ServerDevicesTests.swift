import Testing
import Weir
import WeirDevice
import WeirGraph
import WeirOps
import WeirTensor

@testable import WeirCluster

@Suite("Devices of servers", .timeLimit(.minutes(1)))
struct ServerDevicesTests {
    private final class Abacus: Device {
        let name: DeviceName
        let incarnation: UInt64 = 7
        var type: String { "ABACUS" }
        var allocator: any Allocator { HostAllocator.shared }
        var memoryLimit: Int { 1 << 20 }
        var hardware: String { "ten wires" }
        init(_ index: Int) { name = DeviceName(job: "localhost", replica: 0, task: 0, type: "ABACUS", index: index) }
    }
    private func devices(_ indices: [Int]) throws -> LocalDevices {
        try LocalDevices(
            places: LocalDevices().places
                + indices.map { KernelEnvironment(device: Abacus($0), resources: ResourceTable(defaultContainer: "localhost"), kernels: HostKernels()) })
    }
    private func options() -> ServerOptions {
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        return options
    }

    @Test("a server has the given devices under the names of its task, and steps run on them")
    func given() async throws {
        let registry = OpRegistry.standard.replacing("Neg") { $0.supported(on: "ABACUS", ["T": DTypeSet(.float32)]) }
        let spec = try ClusterSpec.onLoopback("worker=1")
        let server = try await Server(
            ServerDefinition(.cluster(spec), job: "worker", task: 0), options: options(), registry: registry, devices: devices([0]))
        let b = GraphBuilder(registry: registry)
        let three = b.scalar(3, .float32)
        let y = b.device("/job:worker/task:0/device:ABACUS:0") { b.add("Neg", [three], name: "y")[0] }
        let session = try await Session(b.graph(), target: .address(server.target), registry: registry)
        #expect(try await session.run(y).scalar(of: Float.self) == -3)
        let found = try await ServerProbe.clusterDevices(target: server.target, timeout: .seconds(30))
        #expect(found.map(\.name.description) == ["CPU", "ABACUS"].map { "/job:worker/replica:0/task:0/device:\($0):0" })
        try await session.close()
        await server.stop()
    }

    @Test("a session without soft placement gets it from its server's defaults", arguments: [false, true])
    func softPlacement(_ isDefault: Bool) async throws {
        var options = options()
        options.defaults.allowsSoftPlacement = isDefault
        let server = try await Server.createLocal(options: options)
        let b = GraphBuilder()
        let y = b.device("/device:GPU:0") { b.add("Neg", [b.scalar(3, .float32)], name: "y")[0] }
        let graph = try b.graph()
        func run() async throws -> Float { try await Session(graph, target: .server(server)).run(y).scalar(of: Float.self) }
        if isDefault {
            #expect(try await run() == -3)
        } else {
            await #expect(throws: Status.self) { try await run() }
        }
        await server.stop()
    }

    @Test("two devices of one name are refused")
    func sameName() async throws {
        let given = try devices([1, 1])
        let error = await #expect(throws: Status.self) { try await Server.createLocal(options: options(), devices: given) }
        #expect(error?.code == .invalidArgument && error?.message.contains("/job:localhost/replica:0/task:0/device:ABACUS:1") == true)
    }

    @Test("the request for a cluster's devices ends at its timeout and names the address")
    func silent() async throws {
        let target = "grpc://" + (try ClusterSpec.onLoopback("worker=1").tasks[0].address)
        let error = await #expect(throws: Status.self) { try await ServerProbe.clusterDevices(target: target, timeout: .milliseconds(200)) }
        #expect(error?.code == .deadlineExceeded && error?.message.contains(target) == true, "\(error?.message ?? "")")
    }

    @Test("reports of a wait come after 1, 2, 4, … seconds, then every minute")
    func pauses() {
        let pauses = Array(ReportPauses().prefix(9))
        #expect(pauses == [1, 1, 2, 4, 8, 16, 32, 60, 60].map { .seconds($0) })
    }
}
