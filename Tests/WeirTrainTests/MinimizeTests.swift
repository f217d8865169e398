import Foundation
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

    @Test("a graph from a file runs by names, and literals take the types of its tensors")
    func names() async throws {
        let builder = GraphBuilder()
        let x = builder.placeholder(.float64, shape: [nil], name: "x")
        _ = builder.add("Neg", [x], name: "y")
        let directory = FileSystemScratch()
        try builder.graph().definition.text.write(toFile: directory.path + "/graph.pbtxt", atomically: true, encoding: .utf8)
        let graph = try Graph(contentsOf: directory.path + "/graph.pbtxt")
        #expect(try Graph(graph.definition).nodes.count == 2)
        let missing = #expect(throws: Status.self) { try Graph(contentsOf: directory.path + "/none.pbtxt") }
        #expect(missing?.code == .notFound)

        let session = try await Session(graph)
        #expect(try await session.run(["y:0", "x"], feeding: ["x:0": [1, 2]]) == [Tensor([-1.0, -2]), Tensor([1.0, 2])])
        #expect(try await session.run("y", feeding: ["x": [0.5]], targets: ["y"]) == Tensor([-0.5]))
        #expect(try await session.run(["minus": "y:0"], feeding: ["x:0": Tensor([2.0])]) == ["minus": Tensor([-2.0])])
        let wrong = await #expect(throws: Status.self) { try await session.run("y", feeding: ["x:0": "text"]) }
        #expect(wrong?.code == .invalidArgument && wrong?.message.contains("Feed of 'x:0'") == true)
        for (fetch, feed) in [("y", "nobody:0"), ("nobody", "x:0"), ("y", "x:7")] {
            let unknown = await #expect(throws: Status.self) { try await session.run(fetch, feeding: [feed: [1.0]]) }
            #expect(unknown?.code == .notFound || unknown?.code == .invalidArgument, "\(fetch) \(feed)")
        }
    }
}
