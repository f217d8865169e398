import Weir

/// Builds a graph, runs it in this process and on a server, and prints what both say.
@main struct Consumer {
    static func main() async throws {
        let b = GraphBuilder(registry: .standard)
        let x = b.placeholder(.float32, shape: [nil, 2], name: "x")
        let product = x.matMul(b.constant(Tensor([1, 2, 3, 4] as [Float], shape: [2, 2])))
        let values = Tensor([1, 1, 2, 0] as [Float], shape: [2, 2])

        let direct = try DirectSession(b.graph(), registry: .standard)
        let here = try direct.run(feeds: [("x:0", values)], fetches: [product.name])[0]

        let server = try await Server.createLocal()
        let session = try await Session(b.graph(), target: .server(server))
        let there = try await session.run(product, feeding: [x: values])
        await server.stop()

        print("in this process:", try here.array(of: Float.self))
        print("on a server:", try there.array(of: Float.self))
    }
}
