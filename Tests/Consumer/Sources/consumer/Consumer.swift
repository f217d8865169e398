import Weir

/// Builds a graph, runs it in this process and on a server, and prints what both say.
@main struct Consumer {
    static func main() async throws {
        let b = GraphBuilder()
        let x = b.placeholder(.float32, shape: [nil, 2], name: "x")
        let product = x.matMul(b.constant(try Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])))

        let direct = try await Session(b.graph())
        let here = try await direct.run(product, feeding: [x: [[1, 1], [2, 0]]])
        let element = try here[1, 0].scalar(of: Float.self)
        precondition(element == 2)

        let server = try await Server.createLocal()
        let session = try await Session(b.graph(), target: .server(server))
        let there = try await session.run(product, feeding: [x: [[1, 1], [2, 0]]])
        await server.stop()

        print("in this process:", try here.array(of: Float.self))
        print("on a server:", try there.array(of: Float.self))
    }
}
