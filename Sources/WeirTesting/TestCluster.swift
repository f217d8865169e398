public import WeirCluster
import WeirOps
public import WeirTensor

/// A cluster of servers in this process, on loopback: real ports and messages, no other processes.
public final class TestCluster: Sendable {
    public let spec: ClusterSpec
    public let servers: [Server]

    /// - Parameter jobs: such as `[("ps", 1), ("worker", 2)]`.
    public init(_ jobs: [(name: String, count: Int)], options: ServerOptions = ServerOptions()) async throws {
        var options = options
        options.host = "127.0.0.1"
        options.gracePeriod = .milliseconds(200)
        var (spec, started) = (try ClusterSpec.onLoopback(jobs), [Server]())
        // Ports are chosen before they are bound: another process may be quicker.
        var tries = 0
        while started.isEmpty {
            do {
                started = try await TestCluster.start(spec, options)
            } catch  where Status(error).code == .unavailable && tries < 5 {
                tries += 1
                spec = try ClusterSpec.onLoopback(jobs)
            }
        }
        self.spec = spec
        servers = started
    }
    /// All servers of a cluster, or none.
    private static func start(_ spec: ClusterSpec, _ options: ServerOptions) async throws -> [Server] {
        var started: [Server] = []
        do {
            for task in spec.tasks {
                started.append(try await Server(ServerDefinition(.cluster(spec), job: task.job, task: task.task), options: options, registry: .standard))
            }
        } catch {
            for server in started { await server.stop() }
            throw error
        }
        return started
    }

    public func server(_ job: String, _ task: Int = 0) -> Server {
        guard let found = servers.first(where: { $0.task.job == job && $0.task.task == task }) else {
            preconditionFailure("no task \(task) of job \(job) in \(spec.json)")
        }
        return found
    }

    public func stop() async {
        await withTaskGroup(of: Void.self) { group in
            for server in servers { group.addTask { await server.stop() } }
        }
    }

    /// Runs a body with a cluster that is stopped afterwards, come what may.
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
