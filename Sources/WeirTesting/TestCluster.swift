public import WeirCluster
import WeirOps
public import WeirTensor

/// A cluster of servers in this process. They use real ports and messages on the loopback interface.
public final class TestCluster: Sendable {
    /// The addresses of all tasks.
    public let spec: ClusterSpec
    /// The servers, in the order of the cluster's tasks.
    public let servers: [Server]

    /// Starts a server for each task.
    /// - Parameter jobs: the jobs and their number of tasks, such as `[("ps", 1), ("worker", 2)]`.
    /// - Throws: the error of the first server that does not start.
    public convenience init(_ jobs: [(name: String, count: Int)], options: ServerOptions = ServerOptions()) async throws {
        try await self.init(jobs, options: options) { definition, options in
            try await Server(definition, options: options, registry: .standard)
        }
    }

    /// Starts a server for each task with `makeServer`.
    package init(
        _ jobs: [(name: String, count: Int)], options: ServerOptions,
        makeServer: (ServerDefinition, ServerOptions) async throws -> Server
    ) async throws {
        var options = options
        options.host = "127.0.0.1"
        options.gracePeriod = .milliseconds(200)
        var (spec, started) = (try ClusterSpec.onLoopback(jobs), [Server]())
        // Ports are chosen before they are bound, so another process may take one; then try again.
        var tries = 0
        while started.isEmpty {
            do {
                started = try await TestCluster.start(spec, options, makeServer)
            } catch  where Status(error).code == .unavailable && tries < 5 {
                tries += 1
                spec = try ClusterSpec.onLoopback(jobs)
            }
        }
        self.spec = spec
        servers = started
    }
    /// Starts all servers of a cluster, or none.
    private static func start(
        _ spec: ClusterSpec, _ options: ServerOptions, _ makeServer: (ServerDefinition, ServerOptions) async throws -> Server
    ) async throws -> [Server] {
        var started: [Server] = []
        do {
            for task in spec.tasks {
                started.append(try await makeServer(ServerDefinition(.cluster(spec), job: task.job, task: task.task), options))
            }
        } catch {
            for server in started { await server.stop() }
            throw error
        }
        return started
    }

    /// The server of a task.
    /// - Throws: `notFound` when the cluster has no such task.
    public func server(_ job: String, _ task: Int = 0) throws(Status) -> Server {
        guard let found = servers.first(where: { $0.task.job == job && $0.task.task == task }) else {
            throw .notFound("Task \(task) of job '\(job)' is not in the cluster \(spec.json)")
        }
        return found
    }

    /// Stops all servers.
    public func stop() async {
        await withTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { await server.stop() } }
        }
    }

    /// Runs `body` with a cluster, and stops the cluster afterwards, also when `body` throws.
    public static func with<R>(
        _ jobs: [(name: String, count: Int)], options: ServerOptions = ServerOptions(), _ body: (TestCluster) async throws -> R
    ) async throws -> R {
        let cluster = try await TestCluster(jobs, options: options)
        do {
            let result = try await body(cluster)
            await cluster.stop()
            return result
        } catch {
            await cluster.stop()
            throw error
        }
    }
}
