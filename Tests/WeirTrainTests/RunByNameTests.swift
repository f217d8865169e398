import Foundation
import Testing
import Weir

@Suite("Graphs from files, and steps by name")
struct RunByNameTests {
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
        #expect(try await session.run(["y:0", "y"], feeding: ["x:0": [1, 2]]) == [Tensor([-1.0, -2]), Tensor([-1.0, -2])])
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
