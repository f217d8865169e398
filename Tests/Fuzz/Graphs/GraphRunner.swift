import Synchronization
import Weir
import WeirTesting

/// A place that runs a graph's steps.
protocol GraphRunner: AnyObject {
    var name: String { get }
    func open() async throws(Status)
    func run(_ step: GraphCase.Step) async -> Result<[Tensor], Status>
    func close() async
}

enum StepPatience {
    /// A step that takes longer counts as hanging, because steps are small.
    static var limit: Duration { GraphsFuzzer.choice.reduces ? .seconds(3) : .seconds(10) }
}

/// Runs steps in this process, without messages.
final class DirectRunner: GraphRunner {
    let name: String
    private let made: GraphCase
    private let options: RuntimeOptions
    private let spreads: Bool
    private var session: DirectSession?

    /// - Parameter devices: the layout whose devices of one task are used; nil for one CPU.
    init(_ made: GraphCase, _ optimizer: GraphOptimizer, _ scheduling: ExecutionOptions.Scheduling, devices: ClusterLayout?) {
        self.made = made
        var options = devices?.options.runtime ?? RuntimeOptions()
        options.execution.optimizer = optimizer
        options.execution.scheduling = scheduling
        options.allowsSoftPlacement = true
        self.options = options
        spreads = devices != nil
        name = "one process, \(scheduling)"
    }

    func open() throws(Status) {
        let graph = GraphCase.graph(made.graph) { [spreads] name in
            guard spreads, let device = name.firstRange(of: "/device:") else { return "" }
            return String(name[device.lowerBound...])
        }
        do { session = try DirectSession(graph, registry: .standard, options: options) } catch { throw Status(error) }
    }
    func run(_ step: GraphCase.Step) async -> Result<[Tensor], Status> {
        guard let session else { return .failure(.internalError("not open")) }
        let feeds = made.feeds
        do {
            let plan = try session.plan(feeds: feeds.map(\.0), fetches: step.fetches, targets: step.targets)
            return await withCheckedContinuation { continuation in
                session.devices.client.pool.submit {
                    session.start(plan, feeds.map(\.1), timeout: StepPatience.limit) { continuation.resume(returning: $0) }
                }
            }
        } catch { return .failure(Status(error)) }
    }
    func close() async { session?.close() }
}

/// Runs steps on a cluster of servers.
final class ClusterRunner: GraphRunner {
    let name = "cluster"
    private let made: GraphCase
    private let target: Session.Target
    private let configuration: SessionConfiguration
    private var session: Session?

    init(_ made: GraphCase, _ server: Server, viaWire: Bool, optimizes: Bool) {
        self.made = made
        target = viaWire ? .address(server.target) : .server(server)
        var configuration = SessionConfiguration()
        configuration.allowsSoftPlacement = true
        configuration.optimizes = optimizes
        self.configuration = configuration
    }

    func open() async throws(Status) {
        do { session = try await Session(made.graph, target: target, configuration: configuration) } catch { throw Status(error) }
    }
    func run(_ step: GraphCase.Step) async -> Result<[Tensor], Status> {
        guard let session else { return .failure(.internalError("not open")) }
        var options = RunOptions()
        options.timeout = StepPatience.limit
        do {
            let reply = try await session.run(
                fetches: step.fetches, feeds: made.feeds.map { NamedTensor($0.0, $0.1) }, targets: step.targets, options: options)
            return .success(reply.tensors.map(\.tensor))
        } catch { return .failure(Status(error)) }
    }
    func close() async { try? await session?.close() }
}
