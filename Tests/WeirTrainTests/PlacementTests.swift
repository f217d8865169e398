import Testing
import Weir

@Suite("Placement of a session")
struct PlacementTests {
    private let builder = GraphBuilder()

    @Test("a session in this process tells where it placed each node")
    func inProcess() async throws {
        let devices = try LocalDevices(cpuCount: 2, simulatedGPUCount: 1)
        #expect(
            devices.places.map { $0.device.name.description } == ["CPU:0", "CPU:1", "GPU:0"].map { "/job:localhost/replica:0/task:0/device:\($0)" })
        let v = builder.device("/cpu:1") { builder.variable("v", initial: [1.0, 2]) }
        let y = builder.device("/gpu:0") { v.value * 2 }
        let session = try await Session(builder.graph(), devices: devices)
        let placement = try await session.placement()
        #expect(placement[v.handle]?.localName.description == "/device:CPU:1")
        #expect(placement[y] == devices.places[2].device.name)
        #expect(placement.rows.reduce(0) { $0 + $1.opCount } == placement.devices.count)
        let z = -y
        #expect(placement[z] == nil)
        try await session.extend(to: builder.graph())
        #expect(try await session.placement()[z]?.type == "GPU")
    }

    @Test("a session on a server in this process tells it too; one at an address refers to the graphs of a step")
    func onServer() async throws {
        let y = builder.constant([1.0, 2]) * 2
        let server = try await Server.createLocal(options: ServerOptions(runtime: RuntimeOptions(simulatedGPUCount: 1)))
        let session = try await Session(builder.graph(), target: .server(server))
        #expect(try await session.placement()[y]?.description == "/job:localhost/replica:0/task:0/device:GPU:0")
        try await session.close()

        let remote = try await Session(builder.graph(), target: .address(server.target))
        let error = await #expect(throws: Status.self) { try await remote.placement() }
        #expect(error?.code == .unimplemented && error?.message.contains("returnsPartitionGraphs") == true)
        try await remote.close()
        await server.stop()
    }

    @Test("options in one line set what they name, and leave the rest")
    func options() {
        let runtime = RuntimeOptions(cpuCount: 2, logsPlacement: true)
        #expect(runtime.cpuCount == 2 && runtime.simulatedGPUCount == 0 && runtime.logsPlacement && !runtime.allowsSoftPlacement)
        let server = ServerOptions(host: "127.0.0.1", runtime: runtime)
        #expect(server.host == "127.0.0.1" && server.runtime.cpuCount == 2 && server.gracePeriod == .seconds(5))
        let session = SessionConfiguration(isolatesState: true, operationTimeout: .seconds(1))
        #expect(session.isolatesState && session.operationTimeout == .seconds(1) && session.optimizes)
        let run = RunOptions(timeout: .seconds(2))
        #expect(run.timeout == .seconds(2) && !run.traces)
    }
}
