// Between-graph replication: a parameter server and two workers. Each worker has a client with a graph of its own; the
// variables on the parameter server are shared.
import Weir

/// Starts a server for each task of a cluster in this process. In production each is a process, such as `weir serve`.
func startServers(_ cluster: ClusterSpec) async throws -> [Server] {
    var servers: [Server] = []
    for task in cluster.tasks {
        let definition = try ServerDefinition(.cluster(cluster), job: task.job, task: task.task)
        servers.append(try await Server(definition, options: ServerOptions(host: "127.0.0.1")))
    }
    return servers
}

/// The graph of one worker's client: a line, fitted to points.
struct LineGraph {
    let builder = GraphBuilder()
    let x: Output, y: Output
    let slope: Variable, offset: Variable
    let update: Operation

    init(worker: Int) {
        // Places variables on the parameter servers, and all other nodes on this worker.
        let setter = ReplicaDeviceSetter(parameterServers: 1, worker: "/job:worker/task:\(worker)")
        (x, y, slope, offset, update) = builder.device(setter.device) { [builder] in
            let x = builder.placeholder(.float32, shape: [nil], name: "x")
            let y = builder.placeholder(.float32, shape: [nil], name: "y")
            let slope = builder.variable("slope", initial: 0.0)
            let offset = builder.variable("offset", initial: 0.0)
            let loss = (x * slope.value + offset.value).squaredDifference(y).mean()
            let update = GradientDescent(learningRate: 0.05).minimize(loss, over: [slope, offset])
            return (x, y, slope, offset, update.operation)
        }
    }
}

/// One worker's client. It trains on points of its own, without waiting for the other worker.
@Sendable func runWorker(_ worker: Int, on server: Server) async throws {
    let line = LineGraph(worker: worker)
    let session = try await Session(line.builder.graph(), target: .server(server))
    let points = worker == 0 ? [-2, -1.5, -1, -0.5] : [0.5, 1, 1.5, 2]
    for _ in 0..<200 {
        try await session.run(line.update, feeding: [line.x: points, line.y: points.map { 2 * $0 + 1 }])
    }
    try await session.close()
}

let cluster = try ClusterSpec.onLoopback([("ps", 1), ("worker", 2)])
let servers = try await startServers(cluster)
let workers = servers.filter { $0.task.job == "worker" }

// The chief, the first worker's client, initializes the variables before all clients train.
let line = LineGraph(worker: 0)
let chief = try await Session(line.builder.graph(), target: .server(workers[0]))
try await chief.run(line.builder.initializer)
try await withThrowingTaskGroup(of: Void.self) { group in
    for (number, server) in workers.enumerated() { group.addTask { try await runWorker(number, on: server) } }
    try await group.waitForAll()
}

// Any client reads the result, because the variables are shared.
let values = try await chief.run([line.slope.value, line.offset.value])
let found = try values.map { try $0.scalar(of: Float.self) }
print("y = \(found[0]) x + \(found[1])")
for server in servers { await server.stop() }
guard abs(found[0] - 2) < 0.01, abs(found[1] - 1) < 0.01 else {
    throw Status.internalError("expected y = 2 x + 1, found y = \(found[0]) x + \(found[1])")
}
