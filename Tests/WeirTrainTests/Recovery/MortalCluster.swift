import Synchronization
import Weir

@testable import WeirCluster

/// A cluster in this process whose servers end at once, with their variables and sessions, and are started again under their addresses.
final class MortalCluster: Sendable {
    let spec: ClusterSpec
    private let servers = Mutex<[String: Server]>([:])

    private init(_ jobs: [(name: String, count: Int)]) throws { spec = try ClusterSpec.onLoopback(jobs) }

    /// Runs a body with all servers, and ends them afterwards.
    static func with<R>(_ jobs: [(name: String, count: Int)], _ body: (MortalCluster) async throws -> R) async throws -> R {
        let cluster = try MortalCluster(jobs)
        let result: Result<R, any Error>
        do {
            for task in cluster.spec.tasks { try await cluster.start(task.job, task.task) }
            result = .success(try await body(cluster))
        } catch {
            result = .failure(error)
        }
        for task in cluster.spec.tasks { await cluster.kill(task.job, task.task) }
        return try result.get()
    }

    func start(_ job: String, _ task: Int) async throws {
        var options = ServerOptions()
        options.host = "127.0.0.1"
        options.gracePeriod = .zero
        let definition = try ServerDefinition(.cluster(spec), job: job, task: task)
        for tries in 0... {
            do {
                let server = try await Server(definition, options: options)
                return servers.withLock { $0["\(job)/\(task)"] = server }
            } catch {
                // The port may be in use for a moment: by the server before, or by a test that was given it while nobody listened.
                let status = Status(error)
                guard status.code == .unavailable, tries < 1_500 else { throw status }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    func kill(_ job: String, _ task: Int) async {
        let server = servers.withLock { $0.removeValue(forKey: "\(job)/\(task)") }
        await server?.stop(within: .zero)
    }

    func restart(_ job: String, _ task: Int) async throws {
        await kill(job, task)
        try await start(job, task)
    }
}
