// A first graph: build it, run it in this process, and run it on a server.
import Weir

// Building adds nodes to a graph. Nothing is computed yet.
let builder = GraphBuilder()
let x = builder.placeholder(.float32, shape: [nil, 2], name: "x")
let weights = builder.constant([[1, 2], [3, 4]], .float32)
let y = x.matMul(weights)

// A session places the nodes on devices and runs the part of the graph that a fetch needs. This one runs in this process.
let session = try await Session(builder.graph())
let direct = try await session.run(y, feeding: [x: [[1, 1], [2, 0]]])
print("in this process:", try direct.array(of: Float.self))

// A server runs graphs for clients: here in this process, else at an address such as "grpc://host:2222".
let server = try await Server.createLocal()
let remoteSession = try await Session(builder.graph(), target: .server(server))
let remote = try await remoteSession.run(y, feeding: [x: [[1, 1], [2, 0]]])
await server.stop()
print("on a server:", try remote.array(of: Float.self))

let expected = try [[4, 6], [2, 4]].tensor(.float32)
guard direct == expected, remote == expected else {
    throw Status.internalError("expected \(expected) twice, found \(direct) and \(remote)")
}
