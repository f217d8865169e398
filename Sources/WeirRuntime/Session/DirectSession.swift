import Logging
import WeirDevice
package import WeirGraph
package import WeirTensor
import Synchronization

/// Runs a graph on the devices of this process, without messages. TensorFlow's `DirectSession`.
///
/// Sessions on the same `LocalDevices` share variables. Thread-safe: several threads may run steps at the same time.
package final class DirectSession: Sendable {
    /// The devices that steps run on. They own the variables and the other resources.
    package let devices: LocalDevices
    private let registry: OpRegistry
    private let options: RuntimeOptions
    private let kernels = KernelStore()
    private let closed = Cancellation()
    private let collectives: CollectiveRunner
    private struct State {
        var graph: Graph
        var placed: Graph
        /// Compiled steps by feeds, fetches and targets. The limits bound the memory that clients can use with ever new steps.
        /// A step whose plan was evicted is compiled again.
        var plans = LRUCache<PlanKey, Plan>(capacity: 1000, weight: 4_000_000)
    }
    private let state: Mutex<State>
    private static let stepNumber = Atomic<Int>(1)

    private struct PlanKey: Hashable {
        var feeds: [String]
        var fetches: [String]
        var targets: [String]
    }
    /// The compiled form of all steps with the same feeds, fetches and targets.
    package final class Plan: Sendable {
        let graph: LocalGraph
        let fetchCount: Int
        let feedTypes: [DType]
        let feeds: [String]
        init(graph: LocalGraph, fetchCount: Int, feedTypes: [DType], feeds: [String]) {
            self.graph = graph
            self.fetchCount = fetchCount
            self.feedTypes = feedTypes
            self.feeds = feeds
        }
        /// The partitions of the step, one for each device, before optimization.
        package var parts: [(device: DeviceName, graph: Graph)] { graph.parts.map { ($0.device, $0.graph) } }
    }

    /// Places the graph on the devices.
    /// - Parameter devices: nil makes new devices for this session.
    /// - Throws: `invalidArgument` when a node cannot be placed or an input does not exist; `resourceExhausted` when the system has no threads for
    ///   simulated GPUs.
    package init(_ graph: Graph, registry: OpRegistry, devices: LocalDevices? = nil, options: RuntimeOptions = RuntimeOptions()) throws {
        try graph.validate()
        self.registry = registry
        self.options = options
        self.devices = try devices ?? LocalDevices(task: .localhost, options: options)
        collectives = CollectiveRunner(devices: self.devices)
        let placer = Placer(devices: self.devices.placementDevices, allowsSoftPlacement: options.allowsSoftPlacement)
        let placed = try placer.place(Lowering(registry: registry).run(graph))
        state = Mutex(State(graph: graph, placed: placed))
        logPlacement(placed)
    }

    private func logPlacement(_ placed: Graph) {
        guard options.logsPlacement, !placed.nodes.isEmpty else { return }
        Logger(label: "weir.session").info("Placed the graph", metadata: ["placement": .stringConvertible(PlacementReport(placed))])
    }

    /// The lowered graph, with a device for every node.
    package var placedGraph: Graph { state.withLock { $0.placed } }

    /// Replaces the graph with a larger one that contains it. Existing plans stay valid.
    /// - Throws: `invalidArgument` when a new node cannot be placed or an input does not exist.
    package func extend(to graph: Graph) throws {
        try graph.validate()
        let placed = try state.withLock { (state: inout State) throws -> Graph in
            var lowered = try Lowering(registry: registry).run(graph)
            lowered.keepDevices(of: state.placed)
            let placer = Placer(devices: devices.placementDevices, allowsSoftPlacement: options.allowsSoftPlacement)
            state.placed = try placer.place(lowered)
            state.graph = graph
            return state.placed
        }
        logPlacement(placed)
    }

    /// Runs a step and blocks the calling thread until it ends. The calling thread runs part of the step.
    ///
    /// - Parameters:
    ///   - feeds: values by tensor name (`x:0`).
    ///   - fetches: tensor names.
    ///   - targets: names of nodes that run only for their effect.
    ///   - trace: records the time of each kernel.
    /// - Returns: the fetched tensors, in the order of `fetches`.
    /// - Throws: as `plan` and as the step: the status of its first failure.
    package func run(
        feeds: [(String, Tensor)] = [], fetches: [String] = [], targets: [String] = [], trace: (any StepTrace)? = nil
    ) throws -> [Tensor] {
        let plan = try plan(feeds: feeds.map(\.0), fetches: fetches, targets: targets)
        return try run(plan, feeds.map(\.1), trace: trace)
    }

    /// Compiles the steps with these feeds, fetches and targets, or returns the existing plan.
    /// - Throws: `notFound` or `invalidArgument` for wrong feeds, fetches or targets; the error of a kernel that rejects its
    ///   attributes.
    package func plan(feeds: [String], fetches: [String], targets: [String]) throws -> Plan {
        let key = PlanKey(feeds: feeds, fetches: fetches, targets: targets)
        let (known, placed) = state.withLock { ($0.plans.use(key), $0.placed) }
        if let known { return known }
        let step = FeedsAndFetches(feeds: feeds, fetches: fetches, targets: targets)
        var graph = try step.rewrite(placed, style: .call, registry: registry)
        for id in graph.nodes.indices where graph.nodes[id].isArgument || graph.nodes[id].isResult {
            graph.nodes[id].device = devices.client.device.name
        }
        graph = try ControlLoops.add(to: graph, registry: registry)
        let feedTypes = feeds.map { name -> DType in
            guard let reference = InputReference(name), let node = placed.node(named: reference.node) else { return .float32 }
            return node.outputTypes[reference.index].dtype
        }
        let plan = Plan(
            graph: try LocalGraph(graph, devices: devices, kernels: kernels, registry: registry, options: options.execution),
            fetchCount: fetches.count,
            feedTypes: feedTypes, feeds: feeds)
        let nodeCount = graph.nodes.count
        let (kept, gone) = state.withLock { state -> (Plan, [Plan]) in
            if let known = state.plans.use(key) { return (known, []) }
            return (plan, state.plans.insert(key, plan, weight: nodeCount))
        }
        // Releases the evicted plans outside of the lock.
        withExtendedLifetime(gone) {}
        return kept
    }

    /// Runs a compiled step and blocks the calling thread until it ends.
    /// - Parameter values: the values of the plan's feeds, in their order.
    /// - Throws: `invalidArgument` for a value of the wrong type or a wrong number of values; the status of the step's first failure.
    package func run(_ plan: Plan, _ values: [Tensor], trace: (any StepTrace)? = nil) throws -> [Tensor] {
        let waiting = BlockingCompletion<[Tensor]>()
        start(plan, values, trace: trace) { waiting.finish($0) }
        return try waiting.wait().get()
    }

    /// Starts a compiled step. `done` is called once, from any thread, perhaps before this function returns.
    ///
    /// - Parameters:
    ///   - values: the values of the plan's feeds, in their order.
    ///   - cancellation: cancels the step when it is cancelled.
    ///   - timeout: after this time the step fails with `deadlineExceeded`.
    package func start(
        _ plan: Plan, _ values: [Tensor], trace: (any StepTrace)? = nil, cancellation: Cancellation? = nil, timeout: Duration? = nil,
        _ done: @escaping Completion<[Tensor]>
    ) {
        guard values.count == plan.feedTypes.count else {
            return done(.failure(.invalidArgument("Expected \(plan.feedTypes.count) values, one for each feed of the plan, found \(values.count)")))
        }
        for (index, value) in values.enumerated() where value.dtype != plan.feedTypes[index] {
            return done(
                .failure(
                    .invalidArgument(
                        "Feed '\(plan.feeds[index])' must be of type \(plan.feedTypes[index]), found \(value.dtype)")))
        }
        let step = StepContext(
            id: DirectSession.stepNumber.wrappingAdd(1, ordering: .relaxed).oldValue, rendezvous: LocalRendezvous(), trace: trace,
            collectives: collectives)
        @Sendable func stop(_ status: Status) {
            step.rendezvous.abort(status)
            step.cancellation.cancel()
        }
        let closing = closed.register { stop(.cancelled("Step was cancelled by an explicit call to `Session::Close()`.")) }
        guard let closing else { return done(.failure(.failedPrecondition("Session has been closed."))) }
        let outer = cancellation?.register { stop(.cancelled("Step was cancelled")) }
        let timer = timeout.map { duration in
            Task {
                guard (try? await Task.sleep(for: duration.bounded)) != nil else { return }
                stop(.deadlineExceeded("Deadline Exceeded: the step did not end within \(duration)"))
            }
        }
        let call = CallFrame(arguments: values, resultCount: plan.fetchCount)
        plan.graph.run(step, call: call) { [closed] result in
            closed.deregister(closing)
            if let outer { cancellation?.deregister(outer) }
            timer?.cancel()
            step.resources.clearAll()
            done(result.flatMap { _ in Result { () throws(Status) -> [Tensor] in try call.results(areSnapshots: true) } })
        }
    }

    /// Cancels the running steps. Later steps fail with `failedPrecondition`.
    package func close() { closed.cancel() }
    deinit { closed.cancel() }
}
