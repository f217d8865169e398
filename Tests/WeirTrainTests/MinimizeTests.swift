import Testing
import Weir

@Suite("Minimizing")
struct MinimizeTests {
    @Test("an optimizer finds the minimum, and one initializer runs those of its own variables too", arguments: [nil, "grpc"])
    func minimize(_ transport: String?) async throws {
        let builder = GraphBuilder()
        let slope = builder.variable("slope", initial: 0.0)
        let offset = builder.variable("offset", initial: 0.0)
        let steps = builder.variable("steps", initial: 0, .int64)
        let x = builder.constant([-2.0, -1, 0, 1, 2])
        let loss = (x * slope.value + offset.value).squaredDifference(x * 2 + 1).mean()
        let update = Momentum(learningRate: 0.05, momentum: 0.5).minimize(loss, over: [slope, offset], globalStep: steps)
        #expect(builder.variables.map(\.name) == ["slope", "offset", "steps", "slope/Momentum", "offset/Momentum"])

        let server = transport == nil ? nil : try await Server.createLocal()
        let session = try await Session(builder.graph(), target: server.map { .server($0) } ?? .inProcess)
        try await session.run(builder.initializer)
        for _ in 0..<200 { try await session.run(update.operation) }
        let values = try await session.run([slope.value, offset.value])
        #expect(try abs(values[0].scalar(of: Float.self) - 2) < 1e-3 && abs(values[1].scalar(of: Float.self) - 1) < 1e-3)
        #expect(try await session.run(steps.value) == Tensor(200 as Int64))
        await server?.stop()
    }

    @Test("the gradient of a variable that is read twice is the sum")
    func twoReads() async throws {
        let builder = GraphBuilder()
        let v = builder.variable("v", initial: [1.0, 2, 3])
        let gradient = builder.gradients(of: (v.value * v.read()).sum(), with: [v])[0]
        let session = try await Session(builder.graph())
        try await session.run(builder.initializer)
        #expect(try await session.run(gradient) == Tensor([2, 4, 6] as [Float]))
    }

    @Test("a variable that the loss does not depend on is named")
    func noGradient() {
        let builder = GraphBuilder()
        let used = builder.variable("used", initial: 1.0), unused = builder.variable("unused", initial: 1.0)
        _ = Adam().minimize(used.value * used.value, over: [used, unused])
        #expect(builder.failure?.code == .invalidArgument && builder.failure?.message.contains("variable 'unused'") == true)
    }
}
