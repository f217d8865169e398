// A chief and a worker train until they have made 400 updates together. On the way the parameter server is lost and comes back
// without variables; the chief restores the latest checkpoint, the worker waits for it, and both go on.
import Synchronization
import Weir

/// Starts the server of a task in this process. In production each is a process, such as `weir serve`.
@Sendable func startServer(_ cluster: ClusterSpec, _ job: String, _ task: Int) async throws -> Server {
    let definition = try ServerDefinition(.cluster(cluster), job: job, task: task)
    return try await Server(definition, options: ServerOptions(host: "127.0.0.1", gracePeriod: .milliseconds(100)))
}

/// The graph of one client: a line, fitted to points.
struct LineGraph {
    let builder = GraphBuilder()
    let x: Output, y: Output, loss: Output
    let update: Operation

    init(worker: Int) {
        let setter = ReplicaDeviceSetter(parameterServers: 1, worker: "/job:worker/task:\(worker)")
        (x, y, loss, update) = builder.device(setter.device) { [builder] in
            let x = builder.placeholder(.float32, shape: [nil], name: "x")
            let y = builder.placeholder(.float32, shape: [nil], name: "y")
            let slope = builder.variable("slope", initial: 0.0)
            let offset = builder.variable("offset", initial: 0.0)
            let loss = (x * slope.value + offset.value).squaredDifference(y).mean()
            _ = builder.scalarSummary("loss", loss)
            let optimizer = GradientDescent(learningRate: 0.05)
            let update = optimizer.minimize(loss, over: [slope, offset], globalStep: builder.globalStep())
            return (x, y, loss, update.operation)
        }
    }
}

/// A hook of one's own: replaces the parameter server after the chief's fiftieth step.
final class LostServerHook: SessionRunHook {
    private let cluster: ClusterSpec
    private let state: Mutex<(server: Server, steps: Int)>
    var server: Server { state.withLock { $0.server } }

    init(_ server: Server, of cluster: ClusterSpec) {
        self.cluster = cluster
        state = Mutex((server, 0))
    }

    func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) async throws(Status) {
        let (server, steps) = state.withLock { state in
            state.steps += 1
            return state
        }
        guard steps == 50 else { return }
        await server.stop()
        do {
            let again = try await startServer(cluster, "ps", 0)
            state.withLock { $0.server = again }
        } catch { throw Status(error) }
    }
}

let cluster = try ClusterSpec.onLoopback([("ps", 1), ("worker", 2)])
let workers = [try await startServer(cluster, "worker", 0), try await startServer(cluster, "worker", 1)]
let lostServer = LostServerHook(try await startServer(cluster, "ps", 0), of: cluster)
let directory = CommandLine.arguments.dropFirst().first ?? ".build/monitored-session"

/// One client. It trains on points of its own.
@Sendable func train(_ worker: Int, on server: Server, saving directory: String, _ lostServer: LostServerHook) async throws {
    let line = LineGraph(worker: worker)
    var options = MonitoredSessionOptions(target: .address(server.target), isChief: worker == 0, checkpointDirectory: directory)
    options.configuration.deviceFilters = ["/job:ps", "/job:worker/task:\(worker)"]
    options.saveCheckpoints = .steps(20)
    options.maximumWait = .seconds(60)
    options.chiefOnlyHooks = [lostServer]
    options.hooks = [StopAtStepHook(lastStep: 400), NaNTensorHook(line.loss)]
    options.onNotice = { print("worker \(worker): \($0)") }
    let points = worker == 0 ? [-2, -1.5, -1, -0.5] : [0.5, 1, 1.5, 2]
    try await MonitoredSession.with(line.builder, options) { session in
        while !session.shouldStop {
            try await session.run(line.update, feeding: [line.x: points, line.y: points.map { 2 * $0 + 1 }])
        }
    }
}
try await withThrowingTaskGroup(of: Void.self) { group in
    for (worker, server) in workers.enumerated() {
        group.addTask { [directory, lostServer] in try await train(worker, on: server, saving: directory, lostServer) }
    }
    try await group.waitForAll()
}
for server in workers + [lostServer.server] { await server.stop() }

let saved = try CheckpointFile(directory)
let (slope, offset) = (try saved.tensor("slope").scalar(of: Float.self), try saved.tensor("offset").scalar(of: Float.self))
print("y = \(slope) x + \(offset), from \(saved.path)")
guard abs(slope - 2) < 0.01, abs(offset - 1) < 0.01 else { throw Status.internalError("expected y = 2 x + 1, found y = \(slope) x + \(offset)") }
