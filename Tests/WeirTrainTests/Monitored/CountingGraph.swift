import Weir
import WeirTesting

@testable import WeirTrain

/// A client's graph: a step adds 1 to `sum` and to the number of updates, both on the parameter server.
struct CountingGraph {
    let builder = GraphBuilder()
    let sum: Variable, globalStep: Variable
    let step: Operation

    /// - Parameter worker: the number of the client's worker; nil for a session in this process.
    init(worker: Int? = nil) {
        let setter = ReplicaDeviceSetter(parameterServers: worker == nil ? 0 : 1, worker: worker.map { "/job:worker/task:\($0)" } ?? "")
        (sum, globalStep, step) = builder.device(setter.device) { [builder] in
            let sum = builder.variable("sum", initial: 0.0)
            let globalStep = builder.globalStep()
            let added = builder.colocate(with: sum.handle.operation) { sum.assignAdd(builder.constant(1.0)) }
            // The number that hooks fetch is that before the update, so that tests know it.
            let step = builder.controlDependencies([added, globalStep.value.operation]) {
                builder.colocate(with: globalStep.handle.operation) { globalStep.assignAdd(builder.constant(1, .int64)) }
            }
            return (sum, globalStep, step)
        }
    }

    /// The options of a client of a cluster, which needs the parameter server and its own worker.
    static func options(_ cluster: TestCluster, worker: Int, hooks: [any SessionRunHook] = []) throws -> MonitoredSessionOptions {
        var options = MonitoredSessionOptions(target: .address(try cluster.server("worker", worker).target), isChief: worker == 0, hooks: hooks)
        options.configuration.deviceFilters = ["/job:ps", "/job:worker/task:\(worker)"]
        options.maximumWait = .seconds(60)
        return options
    }
}

/// Counts the calls of a hook, and does what a test asks for.
final class RecordingHook: SessionRunHook {
    let calls = Notices()
    let stopsAfter: Int
    init(stopsAfter: Int = .max) { self.stopsAfter = stopsAfter }
    func begin(_ builder: GraphBuilder) { calls.add("begin") }
    func afterCreateSession(_ creation: SessionCreation) { calls.add("create \(creation.restoredFrom ?? "-")") }
    func beforeRun(_ context: SessionRunContext) -> SessionRunArgs {
        calls.add("before")
        return SessionRunArgs()
    }
    func afterRun(_ context: SessionRunContext, _ values: SessionRunValues) {
        calls.add("after")
        if calls.all.count(where: { $0 == "after" }) >= stopsAfter { context.requestStop() }
    }
    func end(_ session: Session) { calls.add("end") }
}
