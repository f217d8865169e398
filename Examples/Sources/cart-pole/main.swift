// An agent learns to balance a pole on a cart, first in this process, then with actors and a learner on different tasks of a cluster.
import Weir

let directory = CommandLine.arguments.dropFirst().first ?? ".build/cart-pole"
var options = ReinforcementOptions(Reinforce()) { CartPole(seed: $0) }
// Training ends when the agent's mean return over 100 episodes is 490 of at most 500.
options.goal = 490
options.stepLimit = 100_000
options.checkpointPrefix = "\(directory)/agent"

// In this process: acting and learning take turns. Equal seeds give equal results.
let report = try await ReinforcementTrainer(options) { event in
    switch event {
    case .evaluated(let evaluation): print("step \(evaluation.step): mean return \(evaluation.mean), least \(evaluation.least)")
    case .saved(_, let path): print("saved \(path)")
    case .learned, .notice: break
    }
}.run()
print("\(report.agent): mean return \(report.final.mean) over \(report.final.returns.count) other episodes, after \(report.final.step) steps")

// The cluster: variables on the parameter server, the learner on the first worker, actors on the others. What the actors see goes to the
// learner through a queue of fixed capacity. Here the servers are in this process; in production each is a process, such as `weir serve`.
let cluster = try ClusterSpec.onLoopback([("ps", 1), ("worker", 3)])
var servers: [Server] = []
for task in cluster.tasks {
    let definition = try ServerDefinition(.cluster(cluster), job: task.job, task: task.task)
    servers.append(try await Server(definition, options: ServerOptions(host: "127.0.0.1")))
}
options.checkpointPrefix = nil
let distributed = try await ReinforcementTrainer(options, cluster: cluster).run()
for server in servers { await server.stop() }
print("with 2 actors: mean return \(distributed.final.mean), after \(distributed.final.step) steps")

// The saved network plays on.
options.stepLimit = 0
options.restoredPath = try Saver.latestCheckpoint(in: directory)
let played = try await ReinforcementTrainer(options).run()
guard report.final.mean >= 475, distributed.final.mean >= 475, played.final.mean >= 475 else {
    throw Status.internalError(
        "expected a mean return of at least 475, found \(report.final.mean), \(distributed.final.mean) and \(played.final.mean) of the saved network")
}
