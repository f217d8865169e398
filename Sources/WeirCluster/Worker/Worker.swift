import Logging
import Synchronization
import WeirDevice
public import WeirGraph
public import WeirRuntime
public import WeirTensor
public import WeirWire

/// The worker of this process: runs its part of steps for any master, and hands tensors to other workers.
public final class Worker: WorkerEndpoint {
    public let task: DeviceName
    /// The devices under their boot names, with the resources that sessions share.
    public let devices: LocalDevices
    let registry: OpRegistry
    /// What waits, when this server stops, for steps to end.
    let gate = DrainGate()
    let steps: StepTable
    private let requests = RecentRequests(capacity: 100_000)
    /// Masters that are gone leave theirs behind.
    private let sessions = Mutex(LRUCache<String, WorkerSession>(capacity: 10_000))
    private let bootPeers = Mutex<WorkerPeers?>(nil)
    private let cluster: ClusterSpec
    private let connect: WorkerPeers.Connect
    /// What the keys of this worker's devices begin with.
    private let ownSources: [String]

    public init(
        cluster: ClusterSpec, task: DeviceName, devices: LocalDevices, registry: OpRegistry, connect: @escaping WorkerPeers.Connect
    ) {
        self.cluster = cluster
        self.task = task
        self.devices = devices
        self.registry = registry
        self.connect = connect
        steps = StepTable(gate: gate)
        ownSources = devices.places.map {
            RendezvousKey.beginning(source: $0.device.name.description, incarnation: $0.device.incarnation)
        }
    }

    /// The cluster as this server knows it.
    public var peers: WorkerPeers {
        bootPeers.withLock { peers in
            if let peers { return peers }
            let made = WorkerPeers(cluster: cluster, task: task, own: self, connect: connect)
            peers = made
            return made
        }
    }

    public func status() async throws -> [DeviceAttributes] { attributes }
    public var attributes: [DeviceAttributes] {
        devices.places.map { place in
            DeviceAttributes(
                name: place.device.name, type: place.device.type, memoryLimit: place.device.memoryLimit,
                incarnation: place.device.incarnation, hardware: place.device.isHost ? "" : place.device.hardware)
        }
    }

    public func createSession(_ request: CreateWorkerSession) async throws {
        guard !request.session.isEmpty else { throw Status.invalidArgument("Session handle is empty; expected one from the master") }
        var name = task
        var peers = self.peers
        if let cluster = request.cluster {
            name = DeviceName(job: request.job, replica: 0, task: request.task)
            peers = peers.viewed(as: cluster, task: name)
        }
        let isIsolated = request.isolatesState || request.cluster != nil
        let renamed = name == task ? nil : name
        let session = WorkerSession(
            handle: request.session, devices: isIsolated ? devices.isolated(as: renamed) : devices, peers: peers,
            masterTask: request.masterTask, masterIncarnation: request.masterIncarnation, isIsolated: isIsolated)
        let stale = sessions.withLock { sessions -> [WorkerSession] in
            // The same master with another incarnation has restarted, and forgotten its sessions.
            var stale =
                request.masterTask.isEmpty
                ? []
                : sessions.values.filter {
                    $0.masterTask == request.masterTask && $0.masterIncarnation != request.masterIncarnation
                }
            for old in stale { sessions.remove(old.handle) }
            if sessions.use(request.session) == nil {
                stale += sessions.insert(request.session, session) { $0.isBusy }
            } else if session.peers !== self.peers {
                session.peers.close()
            }
            return stale
        }
        for old in stale { close(old) }
    }

    public func deleteSession(_ handle: String) async throws {
        if let session = sessions.withLock({ $0.remove(handle) }) { close(session) }
    }
    private func close(_ session: WorkerSession) {
        session.close()
        steps.removeAll(of: session.handle)
        if session.peers !== peers { session.peers.close() }
    }
    /// For tests of what is left behind.
    var sessionCount: Int { sessions.withLock { $0.count } }
    func openSession(_ handle: String) -> WorkerSession? { sessions.withLock { $0.peek(handle) } }

    /// The session of a handle; masters of TensorFlow 1 have none, and share one that is always there.
    private func session(_ handle: String, isNamed: Bool) throws(Status) -> WorkerSession {
        let key = isNamed ? handle : ""
        if let found = sessions.withLock({ $0.use(key) }) { return found }
        guard !isNamed else {
            throw .aborted("Session handle is not found: \(handle). Possibly this worker (\"\(task)\") just restarted.")
        }
        let legacy = WorkerSession(handle: "", devices: devices, peers: peers)
        let (session, gone) = sessions.withLock { sessions -> (WorkerSession, [WorkerSession]) in
            if let known = sessions.use(key) { return (known, []) }
            return (legacy, sessions.insert(key, legacy) { $0.isBusy })
        }
        for old in gone { close(old) }
        return session
    }

    public func registerGraph(_ request: RegisterGraph) async throws -> String {
        let session = try session(request.session, isNamed: request.hasSession)
        // Not on this thread, which is for messages. Preparing a graph also runs kernels, to fold constants.
        return try await devices.client.pool.result { [self] in try prepare(request, in: session) }
    }

    private func prepare(_ request: RegisterGraph, in session: WorkerSession) throws -> String {
        var graph = try Graph(request.graph, registry: registry)
        for id in graph.nodes.indices {
            guard !graph.nodes[id].requestedDevice.isEmpty else {
                throw Status.invalidArgument("Missing device name in: \(graph.nodes[id].name)")
            }
            let name = try DeviceName(graph.nodes[id].requestedDevice)
            guard session.devices[name] != nil else {
                throw Status.invalidArgument(
                    "Node '\(graph.nodes[id].name)' is for device \(name), which this worker does not have; it has "
                        + session.devices.places.map(\.device.name.description).joined(separator: ", "))
            }
            graph.nodes[id].device = name
        }
        var options = ExecutionOptions()
        if !request.configuration.optimizes { options.optimizer = .none }
        let ready = try LocalGraph(graph, devices: session.devices, kernels: session.kernels, registry: registry, options: options)
        return session.add(ready, nodeCount: graph.nodes.count)
    }

    public func deregisterGraph(_ handle: String, session: String) async throws {
        try self.session(session, isNamed: !session.isEmpty).remove(handle)
    }

    /// For calls from other tasks: while this one stops, no part of a new step begins here.
    /// - Throws: `unavailable` then.
    func admit(_ request: RunGraph) throws(Status) {
        guard steps.admits(request.step) else { throw .unavailable("Task \(task) is shutting down and begins no steps") }
    }

    public func runGraph(_ request: RunGraph, cancellation: Cancellation, _ done: @escaping Completion<RunGraphReply>) {
        // Kernels run for as long as they take, and Swift's own threads, which are few, are for messages.
        guard ComputePool.isOnPoolThread else {
            return devices.client.pool.submit { [self] in runGraph(request, cancellation: cancellation, done) }
        }
        do {
            try requests.note(request.requestID, method: "RunGraph (Worker)")
            let session = try session(request.session, isNamed: request.hasSession)
            let graph = try session.graph(request.graph)
            // Before the step is noted: who has cancelled it may have had it forgotten already.
            guard !cancellation.isCancelled else { throw Status.cancelled("RunGraph was cancelled before it began").derived }
            let step = steps.begin(request.step, session: session.handle)
            session.begin()
            do {
                for value in request.sends { try step.rendezvous.send(RendezvousKey(value.name), RendezvousItem(value.tensor)) }
            } catch {
                return end(step, session, .failure(Status(error)), done)
            }
            if request.isPartial {
                runPartially(request, graph, session, step, cancellation) { [self] in end(step, session, $0, done) }
            } else {
                run(request, graph, session, step, cancellation, done)
            }
        } catch {
            done(.failure(Status(error)))
        }
    }

    private func end(
        _ step: StepTable.Step, _ session: WorkerSession, _ result: Result<RunGraphReply, Status>, _ done: Completion<RunGraphReply>
    ) {
        session.end()
        steps.end(step)
        done(result)
    }

    private func context(
        _ session: WorkerSession, _ step: StepTable.Step, _ cancellation: Cancellation, _ times: StepTimes?
    ) -> StepContext {
        StepContext(
            id: step.id,
            rendezvous: RemoteRendezvous(local: step.rendezvous, step: step.id, peers: session.peers, cancellation: cancellation),
            cancellation: cancellation, sessionHandle: session.handle, trace: times)
    }

    private func run(
        _ request: RunGraph, _ graph: LocalGraph, _ session: WorkerSession, _ step: StepTable.Step, _ outer: Cancellation,
        _ done: @escaping Completion<RunGraphReply>
    ) {
        let times = request.recordsTimes ? StepTimes() : nil
        // The step's own cancellation also ends the step when a kernel fails; the caller's must not be fired by that.
        let cancellation = Cancellation()
        let context = context(session, step, cancellation, times)
        let token = outer.register {
            cancellation.cancel()
            step.rendezvous.abort(Status.aborted("Step \(step.id) cancelled.  Cancelling rendezvous.").derived)
        }
        guard let token else {
            // Who cancelled it may have had it forgotten before it was noted.
            defer { steps.remove(step.id) }
            return end(step, session, .failure(Status.cancelled("RunGraph was cancelled before it began").derived), done)
        }
        graph.run(context) { [self] result in
            outer.deregister(token)
            context.resources.clearAll()
            if case .failure(let status) = result { return end(step, session, .failure(status), done) }
            Worker.fetch(request.receives, step) { [self] fetched in
                let reply = fetched.map { values in
                    RunGraphReply(
                        received: values, times: times?.all ?? [],
                        partitionGraphs: request.recordsPartitionGraphs ? graph.parts.map(\.graph.definition) : [])
                }
                end(step, session, reply, done)
            }
        }
    }

    /// A fetched value, which the step has left under its key.
    private static func delivery(_ key: String, _ step: StepTable.Step) throws(Status) -> RendezvousItem {
        guard let delivery = step.rendezvous.take(RendezvousKey(key)) else {
            throw .internalError("Failed to fetch outputs for step \(step.id). (Original error message: nothing was sent for \(key).)")
        }
        try requireAlive(delivery, key, step.id)
        return delivery
    }
    private static func requireAlive(_ delivery: RendezvousItem, _ key: String, _ step: Int) throws(Status) {
        guard !delivery.isDead else {
            throw .internalError(
                "Failed to fetch outputs for step \(step). (Original error message: The tensor returned for \(key) was not valid.)")
        }
    }
    /// The values of several keys, in host memory.
    private static func fetch(_ keys: [String], _ step: StepTable.Step, _ done: @escaping Completion<[NamedTensor]>) {
        do throws(Status) {
            let deliveries = try keys.map { key throws(Status) in try delivery(key, step) }
            guard deliveries.contains(where: { !$0.isOnHost }) else {
                return done(.success(zip(keys, deliveries).map { NamedTensor($0, $1.tensor) }))
            }
            let gathering = Gathering(keys.count, done)
            for (index, delivery) in deliveries.enumerated() {
                delivery.download { result in gathering.finish(index, result.map { NamedTensor(keys[index], $0) }) }
            }
        } catch {
            done(.failure(error))
        }
    }

    /// One call of a step that is run in several: the first starts it, each gives and takes some tensors, the last waits.
    private func runPartially(
        _ request: RunGraph, _ graph: LocalGraph, _ session: WorkerSession, _ step: StepTable.Step, _ outer: Cancellation,
        _ done: @escaping Completion<RunGraphReply>
    ) {
        let (partial, begins) = step.partialRun()
        if begins {
            let context = context(session, step, partial.cancellation, nil)
            devices.client.pool.submit { graph.run(context) { partial.finish($0) } }
        }
        let cancel: @Sendable () -> Void = {
            partial.cancellation.cancel()
            step.rendezvous.abort(Status.cancelled("PartialRun was cancelled").derived)
        }
        let token = outer.register(cancel)
        if token == nil { cancel() }
        let gathering = Gathering<NamedTensor>(request.receives.count) { result in
            switch result {
            case .failure(let status):
                if let token { outer.deregister(token) }
                // A value that will not come is the fallout of what ended the run, which says why when it is over.
                guard status.isDerived else { return done(.failure(status)) }
                partial.whenFinished { result in
                    if case .failure(let cause) = result { done(.failure(cause)) } else { done(.failure(status)) }
                }
            case .success(let tensors):
                let reply = RunGraphReply(received: tensors)
                guard request.isLastPartial else {
                    if let token { outer.deregister(token) }
                    return done(.success(reply))
                }
                partial.whenFinished { result in
                    if let token { outer.deregister(token) }
                    done(result.map { reply })
                }
            }
        }
        for (index, key) in request.receives.enumerated() {
            step.rendezvous.receive(RendezvousKey(key)) { result in
                do throws(Status) {
                    let delivery = try result.get()
                    try Worker.requireAlive(delivery, key, step.id)
                    delivery.download { tensor in gathering.finish(index, tensor.map { NamedTensor(key, $0) }) }
                } catch {
                    gathering.finish(index, .failure(error))
                }
            }
        }
    }

    /// Whether a key is of one of this worker's devices, and not from before a restart.
    private func check(_ key: RendezvousKey) throws(Status) {
        // Nearly all are, and comparing takes no time where parsing takes longer than the rest of the call.
        if key.text.utf8.lazy.filter({ $0 == UInt8(ascii: ";") }).count == 4, ownSources.contains(where: { key.text.hasPrefix($0) }) {
            return
        }
        let fields = try key.fields()
        let local = fields.source.localName
        guard let device = devices.places.first(where: { $0.device.name.localName == local })?.device else {
            throw .invalidArgument("Invalid rendezvous key (src): \(key) @ \(task)")
        }
        guard device.incarnation == fields.incarnation else {
            throw .aborted(
                "RecvTensor expects a different device incarnation: \(fields.incarnation) vs. \(device.incarnation). Your worker job "
                    + "(\"\(task)\") was probably restarted. Check your worker job for the reason why it was restarted.")
        }
    }

    public func receiveTensor(_ request: ReceiveTensor, cancellation: Cancellation, _ done: @escaping Completion<RendezvousItem>) {
        do {
            try requests.note(request.requestID, method: "RecvTensor (Worker)")
            try check(request.key)
        } catch {
            return done(.failure(Status(error)))
        }
        let (step, isEarly) = steps.receive(request.step)
        let once = Once(
            !isEarly
                ? done
                : { [steps] result in
                    steps.giveUp(step)
                    done(result)
                })
        let cancelled = Status.cancelled("RecvTensor was cancelled").derived
        guard let token = cancellation.register({ once.finish(.failure(cancelled)) }) else { return once.finish(.failure(cancelled)) }
        step.rendezvous.receive(request.key) { result in
            cancellation.deregister(token)
            switch result {
            case .success(let delivery) where !delivery.isOnHost:
                delivery.download { tensor in once.finish(tensor.map { RendezvousItem($0, isDead: delivery.isDead) }) }
            default: once.finish(result)
            }
        }
    }

    public func cleanUpGraph(step: Int) async throws { forget(step: step) }
    /// As `cleanUpGraph`, for the master of the same process.
    func forget(step: Int) { steps.remove(step) }

    public func cleanUpAll(containers: [String]) async throws {
        for place in devices.places { place.resources.clear(containers: containers) }
    }

    public func logging(enabled: Bool, fetching steps: [Int]) async throws {}
}
