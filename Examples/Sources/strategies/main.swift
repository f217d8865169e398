// Trains the same network with each strategy: in this process, and as replicas on a cluster.
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

let cluster = try ClusterSpec.onLoopback([("ps", 1), ("worker", 2)])
let servers = try await startServers(cluster)

// Iris, and a small network. The optimizer and the numbers of steps, rows and folds have default values too.
let network = DenseNetwork(inputCount: 4, hidden: [16], classCount: 3)
var options = try TrainingOptions(network, table: .iris(), optimizer: Adam(learningRate: 0.02), stepCount: 150)

var reports: [String: TrainingReport] = [:]
var comparison = StrategyComparison()
let strategies: [any Strategy] = [SingleDevice(), InGraphReplication(), AsynchronousReplicas(), SynchronousReplicas()]
for strategy in strategies {
    options.strategy = strategy
    let report = try await Trainer(options, cluster: cluster).run()
    print("\(strategy.name): accuracy \(report.testAccuracy), gradients of each worker \(report.updatesByWorker)")
    reports[strategy.name] = report
    comparison.entries.append(.init(strategy: strategy.name, cluster: "ps=1,worker=2", outcome: .trained(report)))
}
// What each strategy costs: rates, bytes, the shares of a step in which devices worked and waited.
print(comparison.table)

// Cross-validation holds out each fifth of the rows in turn: an estimate from all rows, not from one part of them.
options.strategy = SynchronousReplicas()
let folds = try await CrossValidation(options, cluster: cluster).run()
print("sync, five folds: accuracy \(folds.testAccuracy.mean) ± \(folds.testAccuracy.deviation)")
for server in servers { await server.stop() }

for (strategy, report) in reports where report.testAccuracy < 0.8 || report.stepCount < 150 {
    throw Status.internalError("\(strategy): expected at least 0.8 after 150 steps, found \(report.testAccuracy) after \(report.stepCount)")
}
guard folds.testRowCount == 150, folds.testAccuracy.mean >= 0.9 else {
    throw Status.internalError("expected a mean accuracy of 0.9 on 150 rows, found \(folds.testAccuracy) on \(folds.testRowCount)")
}
