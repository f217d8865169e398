import ArgumentParser
import Weir

/// Measures a step that does almost nothing. A client in worker 0's process adds to a variable on a parameter server in another
/// process and reads the sum.
struct BenchNullStep: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench-null-step",
        abstract: "Time a step from this process through a parameter server in another, as a JSON line.")

    @Option(parsing: .unconditional, help: "Steps.") var steps = 2000

    func validate() throws {
        try require("--steps", steps, in: OptionRange.steps)
    }

    func run() async throws {
        let spec = try ClusterSpec.onLoopback([("ps", 1), ("worker", 1)])
        let ps = try ChildProcess(
            ["serve", "--cluster", spec.json, "--job", "ps", "--task", "0", "--until-input-ends"], name: "/job:ps/task:0")
        defer { ChildProcess.end([ps]) }
        _ = try ps.firstLine()
        let server = try await Server(ServerDefinition(.cluster(spec), job: "worker", task: 0))
        let builder = GraphBuilder(registry: .standard)
        let variable = builder.device("/job:ps/task:0") { builder.variable("v") { builder.filled([4], with: 0) } }
        let add = builder.device("/job:ps/task:0") { variable.assignAdd(builder.constant(Tensor([1, 1, 1, 1] as [Float]))) }
        let sum = builder.device("/job:worker/task:0") {
            builder.controlDependencies([add]) {
                builder.add("Sum", [variable.read(), builder.constant(Tensor([Int32(0)]))])[0]
            }
        }
        let session = try await Session(builder.graph(), target: .server(server))
        try await session.run(variable.initializer)
        var times: [Double] = []
        for _ in 0..<(100 + steps) {
            let start = ContinuousClock.now
            _ = try await session.run(sum)
            let parts = (ContinuousClock.now - start).components
            times.append(Double(parts.seconds) * 1e6 + Double(parts.attoseconds) * 1e-12)
        }
        let total = try await session.run(sum).scalar(of: Float.self)
        guard total == Float(4 * (101 + steps)) else {
            throw Status.internalError("updates were lost or repeated: expected \(4 * (101 + steps)), found \(total)")
        }
        let sorted = times.dropFirst(100).sorted()
        Terminal.line(
            "{\"what\":\"null step, client in process\",\"steps\":\(steps),\"p50_us\":\(fixed(sorted[steps / 2], 1)),"
                + "\"p99_us\":\(fixed(sorted[steps * 99 / 100], 1)),\"min_us\":\(fixed(sorted[0], 1))}")
        try await session.close()
        await server.stop()
    }
}
