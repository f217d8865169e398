import Testing
import Weir
import WeirCluster
import WeirGraph
import WeirTensor

@testable import WeirTrain

/// A training that was killed before its first step ended: all of it that is left is the step of the last worker, which runs late.
struct LateStep {
    private let loops: [ClientLoop]
    private let feeds: [NamedTensor]

    /// Begins a training on a cluster.
    /// - Parameter rows: of which the step takes the first.
    init(_ strategy: any Strategy, _ model: ModelGraph, rows: Table, batchSize: Int, cluster: ClusterSpec) async throws {
        let setting = TrainingSetting(cluster: cluster, optimizer: KeepGradient(), batchSize: batchSize)
        let plan = try strategy.plan(model, setting)
        let options = TrainingOptions(model, table: rows, strategy: strategy, stepCount: 1, batchSize: batchSize)
        let run = TrainingRun(plan, options, setting, train: rows, test: rows) { _ in }
        var loops: [ClientLoop] = []
        for client in plan.clients { loops.append(try await run.open(client)) }
        try await withThrowingTaskGroup(of: Void.self) { [loops] group in
            for loop in loops { if let initializer = loop.client.lifecycle.initializer { group.addTask { try await loop.session.run(initializer) } } }
            for try await _ in group {}
        }
        for loop in loops { try await loop.join() }
        var feeds: [NamedTensor] = []
        for shard in loops.last?.client.shards ?? [] { feeds += try BatchFeeds(shard.inputs, rows).feeds(rows.rows(Array(0..<batchSize))) }
        self.loops = loops
        self.feeds = feeds
    }

    /// Runs the step. It gives its gradients away and then waits for the chief, until its time is over.
    func run() async throws {
        let late = try #require(loops.last)
        let error = await #expect(throws: Status.self) {
            try await late.session.run(
                fetches: late.client.shards.map(\.loss.name), feeds: feeds, targets: [late.client.step.name], options: RunOptions(timeout: .milliseconds(400)))
        }
        #expect(error?.code == .deadlineExceeded, "\(error.map { "\($0)" } ?? "")")
        for loop in loops { try await loop.session.close() }
    }
}
